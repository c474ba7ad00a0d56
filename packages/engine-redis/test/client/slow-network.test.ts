import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { CuttingProxy } from '../cutting-proxy.ts';
import { adminOf, newPrefix, startEngine, until } from '../support.ts';

describeWithBroker('redis', 'a slow network', ({ url }) => {
  test.each([undefined, 'g'])(
    'a subscription receives events that take longer to arrive than commandTimeoutMs, group %s',
    async (group) => {
      const proxy = await CuttingProxy.start(url);
      const config = {
        mode: 'streams',
        keyPrefix: newPrefix(),
        commandTimeoutMs: 500,
        blockMs: 100,
      } as const;
      const publisher = await startEngine({ ...config, url });
      const subscriber = await startEngine({ ...config, url: proxy.url });
      const seen: number[] = [];
      await subscriber.subscribe<{ n: number }>('large', ({ payload }) => void seen.push(payload.n), {
        group,
      });
      proxy.bytesPerSecond = 500_000;
      const text = 'x'.repeat(10_000);
      const numbers = Array.from({ length: 200 }, (_, n) => n);
      await Promise.all(numbers.map((n) => publisher.publish({ topic: 'large', payload: { n, text } })));
      await until('every event', () => seen.length === numbers.length);
      expect(seen).toEqual(numbers);
    },
  );

  test.each(['pubsub', 'streams'] as const)(
    'health is up while an answer is arriving that takes longer than the probe may, mode %s',
    async (mode) => {
      const proxy = await CuttingProxy.start(url);
      const admin = adminOf(url);
      const key = `${newPrefix()}large`;
      await admin.set(key, 'x'.repeat(600_000), 'EX', 60);
      const client = adminOf(proxy.url);
      const engine = await startEngine({ client, mode, keyPrefix: newPrefix() });
      proxy.bytesPerSecond = 150_000;
      let isArriving = true;
      const answer = client.get(key).finally(() => (isArriving = false));
      const health = await engine.health();
      expect(isArriving).toBe(true);
      expect(health).toMatchObject({ status: 'up' });
      await answer;
    },
  );

  test('a member of a group follows many topics that are new at once, although heartbeats read them all again', async () => {
    const proxy = await CuttingProxy.start(url);
    proxy.delayMs = 10;
    const config = { mode: 'streams', keyPrefix: newPrefix(), claimIdleMs: 3000, blockMs: 60_000 } as const;
    const publisher = await startEngine({ ...config, url });
    const subscriber = await startEngine({ ...config, url: proxy.url });
    const seen = new Set<number>();
    await subscriber.subscribe<number>('new.*', ({ payload }) => void seen.add(payload), { group: 'g' });
    const numbers = Array.from({ length: 1000 }, (_, n) => n);
    await Promise.all(numbers.map((n) => publisher.publish({ topic: `new.${n}`, payload: n })));
    await until('the event of every topic', () => seen.size === numbers.length);
  });
});
