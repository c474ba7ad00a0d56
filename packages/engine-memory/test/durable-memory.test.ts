import { createEventBus } from '@polybus/core';
import { afterEach, expect, test, vi } from 'vitest';
import { type DurableMemoryConfig, durableMemoryEngine } from '../src/index.ts';
import { HeldHandler, captureLog } from './held-handler.ts';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const end of ends.splice(0)) await end();
});

async function started(config: DurableMemoryConfig) {
  const engine = durableMemoryEngine(config);
  const log = captureLog(engine);
  ends.push(() => engine.stop());
  await engine.start();
  return { engine, log };
}

test('a bus without a configuration loses none of 1,000 awaited publishes to an async subscription', async () => {
  const bus = createEventBus();
  ends.push(() => bus.stop());
  await bus.start();
  const got: unknown[] = [];
  await bus.subscribeAsync('a', async ({ payload }) => {
    await new Promise(setImmediate);
    got.push(payload);
  });
  for (let n = 0; n < 1000; n++) await bus.publish('a', n);
  await expect.poll(() => got.length).toBe(1000);
  expect(bus.stats()).toMatchObject({ published: 1000, delivered: 1000, dropped: 0 });
});

test('an event does not expire, even after days', async () => {
  const { engine, log } = await started({ workerCount: 1 });
  const held = new HeldHandler();
  await engine.subscribeAsync('a', held.handle);
  for (const payload of [0, 1]) await engine.publish({ topic: 'a', payload });
  await expect.poll(() => held.got).toEqual([0]);
  const now = Date.now();
  vi.spyOn(Date, 'now').mockReturnValue(now + 30 * 86_400_000);
  const since = performance.now();
  vi.spyOn(performance, 'now').mockReturnValue(since + 30 * 86_400_000);
  held.open();
  for (let turn = 0; turn < 10 && held.got.length < 2; turn++) await new Promise(setImmediate);
  vi.restoreAllMocks();
  expect(held.got).toEqual([0, 1]);
  expect(engine.stats()).toMatchObject({ delivered: 2, dropped: 0 });
  expect(log).toEqual([]);
});

test('a failed event is retried, and becomes a dead letter after its last attempt', async () => {
  const { engine } = await started({ retry: { backoff: { initialMs: 0 } } });
  const letters: unknown[] = [];
  await engine.subscribe('_dead.*', ({ payload }) => void letters.push(payload));
  const attempts: number[] = [];
  await engine.subscribe('a', (_, { attempt }) => {
    attempts.push(attempt);
    throw new Error('no');
  });
  await engine.publish({ topic: 'a', payload: 'kept' });
  expect(attempts).toEqual([1, 2, 3, 4, 5]);
  expect(letters).toEqual(['kept']);
});

test.each([
  [{ maxDurableQueueDepth: 3 }, 1 + 3],
  [{ maxDurableQueueDepth: 3, defaultEventBufferSize: 5 }, 1 + 3],
  [{ maxDurableQueueDepth: 0, maxEventQueueSize: 4 }, 4],
  [{ defaultEventBufferSize: 5 }, 1 + 5],
] as const)(
  '%j accepts %i events, including the running event, before a publisher waits',
  async (config, taken) => {
    const { engine } = await started({ ...config, workerCount: 1 });
    const held = new HeldHandler();
    await engine.subscribeAsync('a', held.handle);
    let settled = 0;
    const all = Promise.all(
      Array.from({ length: 10 }, (_, payload) =>
        engine.publish({ topic: 'a', payload }).then(() => void settled++),
      ),
    );
    await new Promise(setImmediate);
    const settledWhileHeld = settled;
    held.open();
    await all;
    await expect.poll(() => held.got.length).toBe(10);
    expect(settledWhileHeld).toBe(taken);
  },
);
