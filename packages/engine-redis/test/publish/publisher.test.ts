import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { CuttingProxy } from '../cutting-proxy.ts';
import { newPrefix, startEngine, until } from '../support.ts';

const reason = new Error('no longer wanted');

describeWithBroker('redis', 'a publish with a signal', ({ url }) => {
  for (const mode of ['pubsub', 'streams'] as const) {
    test(`that aborts before the event is sent is not sent, mode ${mode}`, async () => {
      const proxy = await CuttingProxy.start(url);
      const keyPrefix = newPrefix();
      const engine = await startEngine({ url: proxy.url, mode, keyPrefix });
      const consumer = await startEngine({ url, mode, keyPrefix });
      const seen: unknown[] = [];
      await consumer.subscribe('abort', ({ payload }) => void seen.push(payload));
      const publish = (payload: unknown, signal?: AbortSignal): Promise<void> =>
        engine.publish({ topic: 'abort', payload }, signal === undefined ? {} : { signal });

      const now = new AbortController();
      const both = [publish('aborted at once', now.signal), publish('beside it')];
      now.abort(reason);
      await expect(both[0]).rejects.toBe(reason);
      await both[1];

      proxy.down();
      await until('the outage to be noticed', async () => {
        const { connections } = (await engine.health()).details as { connections: { status: string }[] };
        return connections.every(({ status }) => status !== 'ready');
      });
      const later = new AbortController();
      const waiting = [publish('aborted in an outage', later.signal), publish('waits for its end')];
      later.abort(reason);
      await expect(waiting[0]).rejects.toBe(reason);
      proxy.up();
      await waiting[1];
      await publish('last');
      await until('the last event', () => seen.includes('last'));
      expect(seen).toEqual(['beside it', 'waits for its end', 'last']);
    });
  }

  test('that many publishes share has one listener', async () => {
    const engine = await startEngine({ url, keyPrefix: newPrefix() });
    const warnings: Error[] = [];
    const warn = (warning: Error): void => void warnings.push(warning);
    process.on('warning', warn);
    onTestFinished(() => void process.off('warning', warn));
    const { signal } = new AbortController();
    const all = Array.from({ length: 300 }, (_, n) =>
      engine.publish({ topic: 'many', payload: n }, { signal }),
    );
    await Promise.all(all);
    // Node emits warnings in a later turn of the event loop.
    await new Promise(setImmediate);
    expect(warnings).toEqual([]);
  });
});
