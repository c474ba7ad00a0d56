import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { addressOf, quick } from './foreign.ts';
import { newStream, startEngine, storesById, until } from '../support.ts';

describeWithBroker('kinesis', 'a subscription from a date', (kinesis) => {
  test.each([
    ['the epoch', new Date(0)],
    ['a millisecond before it', new Date(-1)],
    ['the first date that there is', new Date(-8.64e15)],
  ])('gets every stored event from %s', async (_, from) => {
    const streamName = newStream();
    const config = { ...addressOf(kinesis), ...quick, streamName, checkpointStore: storesById(streamName) };
    const engine = await startEngine(config);
    await engine.publish({ topic: 'a', payload: 1 });
    const [plain, shared]: [unknown[], unknown[]] = [[], []];
    await engine.subscribe('a', ({ payload }) => void plain.push(payload), { from });
    await engine.subscribe('a', ({ payload }) => void shared.push(payload), { from, group: 'g' });
    await engine.publish({ topic: 'a', payload: 2 });
    await until('both events in both', () => plain.length >= 2 && shared.length >= 2);
    expect([plain, shared]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });
});
