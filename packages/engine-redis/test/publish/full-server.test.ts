import { describeWithBroker } from '@polybus/testbed/vitest';
import type { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { ownRedis } from '../read/foreign.ts';
import { adminOf, newPrefix, spawnMember, startEngine, until } from '../support.ts';

/*
 * A server that refuses each command that could allocate memory. Work that frees memory has to continue.
 */
describeWithBroker('redis', 'a full server', async () => {
  const { url } = await ownRedis({ args: ['--maxmemory-policy', 'noeviction'] });

  /** Returns what makes it have room again. */
  async function fill(admin: Redis): Promise<() => Promise<unknown>> {
    await admin.config('SET', 'maxmemory', '1');
    return () => admin.config('SET', 'maxmemory', '0');
  }

  test.each(['work', 'wor*'])(
    'lets members join an existing group and drain it in order, subscribed to %s',
    async (pattern) => {
      const config = {
        url,
        mode: 'streams',
        keyPrefix: newPrefix(),
        claimIdleMs: 600,
        blockMs: 200,
      } as const;
      const admin = adminOf(url);
      const [first, second] = [await startEngine(config), await startEngine(config)];
      const before = await first.subscribe(pattern, () => {}, { group: 'workers' });
      await first.publish({ topic: 'work', payload: -1, key: 'key-0' });
      await before.cancel();
      const stream = `${config.keyPrefix}work`;
      const dying = await spawnMember('hung-consumer', url, config.keyPrefix);
      for (let n = 0; n < 100; n++) await first.publish({ topic: 'work', payload: n, key: `key-${n % 4}` });
      await until('a member to have some in its handlers', () => dying.said.length === 4);
      const unfill = await fill(admin);
      dying.child.kill('SIGKILL');
      try {
        const refused = first.publish({ topic: 'work', payload: 'x' });
        await expect(refused).rejects.toMatchObject({ code: 'PUBLISH_FAILED' });
        const seen: number[] = [];
        const handler = async ({ payload }: { payload: number }): Promise<void> => {
          await new Promise(setImmediate);
          seen.push(payload);
        };
        await first.subscribeAsync<number>(pattern, handler, { group: 'workers', bufferSize: 8 });
        await second.subscribeAsync<number>(pattern, handler, { group: 'workers', bufferSize: 8 });
        await until('all to be handled', () => new Set(seen.filter((n) => n >= 0)).size === 100);
        await until('all to be settled', async () => {
          const [pending] = (await admin.xpending(stream, 'workers')) as [number];
          return pending === 0;
        });
        const handled = seen.filter((n) => n >= 0);
        expect(handled).toHaveLength(100);
        for (let key = 0; key < 4; key++) {
          const numbers = handled.filter((n) => n % 4 === key);
          expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
        }
        await first.stop();
        await second.stop();
        const consumers = (await admin.xinfo('CONSUMERS', stream, 'workers')) as [string, string][];
        expect(consumers.map(([, name]) => name).filter((name) => name !== '_left')).toEqual([]);
      } finally {
        await unfill();
      }
    },
  );

  test('is trimmed by an engine that cannot publish to it', async () => {
    const config = { url, mode: 'streams', keyPrefix: newPrefix(), maxLen: 100 } as const;
    const admin = adminOf(url);
    const before = await startEngine({ ...config, maxLen: 10_000 });
    await Promise.all(Array.from({ length: 500 }, (_, n) => before.publish({ topic: 'work', payload: n })));
    const unfill = await fill(admin);
    try {
      const engine = await startEngine(config);
      await until('the stream to be as short as it may be', async () => {
        await expect(engine.publish({ topic: 'work', payload: 'x' })).rejects.toMatchObject({
          code: 'PUBLISH_FAILED',
        });
        return (await admin.xlen(`${config.keyPrefix}work`)) <= 100;
      });
      const [oldest] = await admin.xrange(`${config.keyPrefix}work`, '-', '+', 'COUNT', 1);
      const trimmed = await admin.hget(`${config.keyPrefix}:trimmed`, 'work');
      expect(Number(trimmed?.split('-')[0])).toBeLessThanOrEqual(Number(oldest![0].split('-')[0]));
    } finally {
      await unfill();
    }
  });
});
