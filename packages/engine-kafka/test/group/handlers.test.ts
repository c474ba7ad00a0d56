import type { Engine } from '@polybus/core/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { LogLines, newName, startEngine, until } from '../support.ts';

describeWithBroker('kafka', 'handlers of a group', ({ brokers }) => {
  const list = [...brokers];

  test('can subscribe in their own group and await that, because the subscribe does not wait for them', async () => {
    const [topic, other, group] = [newName('a'), newName('b'), newName('g')];
    const logger = new LogLines();
    // A rebalance would wait for it for longer than this test.
    const engine: Engine = await startEngine(
      { brokers: list, numPartitions: 2, rebalanceTimeoutMs: 600_000 },
      logger,
    );
    const seen: unknown[] = [];
    const handler = ({ payload }: { payload: unknown }): void => void seen.push(payload);
    let began = 0;
    await engine.subscribe(
      topic,
      async (event) => {
        if (began++ === 0) await engine.subscribe(other, handler, { group });
        handler(event);
      },
      { group },
    );
    await engine.publish({ topic, payload: 'first' });
    await until('the handler to have subscribed', () => seen.includes('first'));
    await engine.publish({ topic: other, payload: 'elsewhere' });
    await engine.publish({ topic, payload: 'second' });
    await until('what came after', () => seen.length === 3);
    expect(new Set(seen)).toEqual(new Set(['elsewhere', 'first', 'second']));
    expect(began).toBe(2);
    expect(logger.lines.filter((line) => line.includes('handled twice'))).toEqual([]);
  });
});
