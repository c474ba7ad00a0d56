import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { newName, startEngine, until } from '../support.ts';

const reason = new Error('given up');

describeWithBroker('kafka', 'aborted publishes', ({ brokers }) => {
  const list = [...brokers];

  test('are never sent if the signal aborts before they leave: with or without a known topic or lingering', async () => {
    for (const config of [{}, { lingerMs: 50 }, { idempotent: true }]) {
      const topic = newName();
      const engine = await startEngine({ brokers: list, numPartitions: 1, ...config });
      const seen: unknown[] = [];
      // That a topic is to be created holds up the first ones.
      for (const round of [1, 2]) {
        const controller = new AbortController();
        const { signal } = controller;
        const kept = engine.publish({ topic, payload: `kept ${round}` });
        const given = Array.from({ length: 20 }, (_, n) =>
          engine.publish({ topic, payload: n }, { signal }).catch((error: unknown) => error),
        );
        controller.abort(reason);
        expect(new Set(await Promise.all(given))).toEqual(new Set([reason]));
        await kept;
        if (round === 1) {
          await engine.subscribe(topic, ({ payload }) => void seen.push(payload), { from: 'earliest' });
        }
      }
      await engine.publish({ topic, payload: 'last' });
      await until('the last event', () => seen.includes('last'));
      expect(seen).toEqual(['kept 1', 'kept 2', 'last']);
    }
  });

  test('can share a signal in any number', async () => {
    const topic = newName();
    const engine = await startEngine({ brokers: list, numPartitions: 1 });
    const warnings: Error[] = [];
    const warned = (warning: Error): void => void warnings.push(warning);
    process.on('warning', warned);
    onTestFinished(() => void process.off('warning', warned));
    const { signal } = new AbortController();
    for (const round of [1, 2]) {
      const many = Array.from({ length: 300 }, (_, n) =>
        engine.publish({ topic, payload: [round, n] }, { signal }),
      );
      await Promise.all(many);
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings).toEqual([]);
  });
});
