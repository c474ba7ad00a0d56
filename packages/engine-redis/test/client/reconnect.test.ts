import { describeWithBroker } from '@polybus/testbed/vitest';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { ownRedis } from '../read/foreign.ts';
import { Flow, adminOf, newPrefix, startEngine, until } from '../support.ts';

describeWithBroker('redis', 'lost connections', async () => {
  const { url } = await ownRedis();

  test('a group does not handle settled events again, and keeps the order of each key', async () => {
    const keyPrefix = newPrefix();
    const config = { url, mode: 'streams', keyPrefix } as const;
    const [publisher, consumer] = [await startEngine(config), await startEngine(config)];
    const handled: number[] = [];
    const handler = async ({ payload }: { payload: number }): Promise<void> => {
      handled.push(payload);
      // So that events are settled while the engine asks the server for its pending entries.
      for (let turn = 0; turn < payload % 5; turn++) await new Promise(setImmediate);
    };
    await consumer.subscribeAsync<number>('load', handler, {
      group: 'g',
      bufferSize: 10_000,
      concurrency: 3,
    });
    const flow = new Flow(publisher, 'load', 3);
    const admin = adminOf(url);
    for (let round = 0; round < 60; round++) {
      await flow.reaches(40);
      for (const role of ['redis-streams', 'redis-group-reader'])
        for (const id of await clientIds(admin, role)) await admin.client('KILL', 'ID', id);
    }
    await flow.end();
    await until('every accepted event', () => new Set(handled).size === flow.accepted.length);
    const byKey = [0, 1, 2].map((key) => handled.filter((n) => n % 3 === key));
    for (const numbers of byKey) expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
  });

  async function clientIds(admin: ReturnType<typeof adminOf>, name: string): Promise<string[]> {
    const lines = String(await admin.client('LIST')).split('\n');
    return lines.filter((line) => line.includes(` name=${name} `)).map((line) => /id=(\d+)/.exec(line)![1]!);
  }

  test.each(['pubsub', 'streams'] as const)(
    'a publish waits for a new connection as soon as the current connection starts to close, mode %s',
    async (mode) => {
      const clients: Redis[] = [];
      const createClient = (): Redis => {
        clients.push(new Redis(url, { lazyConnect: true }));
        return clients.at(-1)!;
      };
      const engine = await startEngine({ createClient, mode, keyPrefix: newPrefix() });
      await engine.publish({ topic: 'end', payload: 'before' });
      for (const client of clients) client.disconnect(true);
      expect(clients.map(({ status }) => status)).toContain('ready');
      await engine.publish({ topic: 'end', payload: 'meanwhile' });
    },
  );
});
