import { describeWithBroker } from '@polybus/testbed/vitest';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CuttingProxy } from '../cutting-proxy.ts';
import { adminOf, newPrefix, startEngine, until } from '../support.ts';

describeWithBroker('redis', 'stalled reading', ({ url }) => {
  describe.each([
    ['without a group', undefined, ['xread', 'xrange']],
    ['in a group', 'g', ['evalsha', 'eval']],
  ] as const)('%s', (_, group, commands) => {
    test('makes health degraded with the reason, until reading continues', async () => {
      const admin = adminOf(url);
      const keyPrefix = newPrefix();
      const username = keyPrefix.slice(0, -1);
      const allow = (...rules: readonly string[]): Promise<unknown> =>
        admin.call('ACL', 'SETUSER', username, ...rules);
      await allow('on', '>secret', '~*', '&*', '+@all');
      onTestFinished(() => void admin.call('ACL', 'DELUSER', username).catch(() => {}));
      const config = { url, keyPrefix, mode: 'streams', blockMs: 50, claimIdleMs: 60_000 } as const;
      const engine = await startEngine({ ...config, username, password: 'secret', stallLimitMs: 300 });
      const publisher = await startEngine(config);
      const seen: unknown[] = [];
      await engine.subscribe('work', ({ payload }) => void seen.push(payload), { group });
      await publisher.publish({ topic: 'work', payload: 1 });
      await until('the first event', () => seen.length === 1);
      await allow(...commands.map((command) => `-${command}`));
      await publisher.publish({ topic: 'work', payload: 2 });
      await until('health to say so', async () => {
        const { status, error = '' } = await engine.health();
        return status === 'degraded' && /no progress.*its reads fail.*permission/i.test(error);
      });
      await allow(...commands.map((command) => `+${command}`));
      await until('the second event', () => seen.length === 2);
      await until('health to be up', async () => (await engine.health()).status === 'up');
    });
  });

  test.each([
    ['reader', 'streams', undefined],
    ['group-reader', 'streams', 'g'],
    ['streams', 'streams', 'g'],
    ['publisher', 'streams', undefined],
    ['publisher', 'pubsub', undefined],
    ['subscriber', 'pubsub', undefined],
  ] as const)(
    'on the connection of the %s ends with a new connection, mode %s',
    async (role, mode, group) => {
      const proxy = await CuttingProxy.start(url);
      const config = { keyPrefix: newPrefix(), mode, commandTimeoutMs: 1000, blockMs: 500 } as const;
      const engine = await startEngine({ ...config, url: proxy.url });
      const consumer = role === 'publisher' ? await startEngine({ ...config, url }) : engine;
      const publisher = role === 'publisher' ? engine : await startEngine({ ...config, url });
      let seen = 0;
      await consumer.subscribe('work', () => void seen++, { group });
      const publish = (): Promise<void> => publisher.publish({ topic: 'work', payload: 1 });
      await publish();
      await until('the first event', () => seen > 0);
      proxy.swallow(`redis-${role}`);
      // No new connection works until health has reported the loss: otherwise a fast reconnect could hide it.
      proxy.isDown = true;
      const codes = new Set<string | undefined>(['PUBLISH_FAILED']);
      const tryToPublish = (): Promise<unknown> =>
        publish().catch((error: { code?: string }) => codes.add(error.code));
      await until('health to be down', async () => {
        await tryToPublish();
        return (await engine.health()).status === 'down';
      });
      proxy.up();
      await until('the connection to be another one', async () => {
        await tryToPublish();
        const { connections } = (await engine.health()).details as { connections: { reconnects: number }[] };
        return connections.some(({ reconnects }) => reconnects > 0);
      });
      expect(codes).toEqual(new Set(['PUBLISH_FAILED']));
      const before = seen;
      await publish();
      await until('an event', () => seen > before);
      await until('health to be up', async () => (await engine.health()).status === 'up');
    },
  );
});
