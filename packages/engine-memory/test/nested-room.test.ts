import type { Engine } from '@polybus/core/engine';
import { durableMemoryEngine } from '@polybus/engine-memory';
import { expect, onTestFinished, test } from 'vitest';
import { HeldHandler } from './held-handler.ts';

async function started(config: Parameters<typeof durableMemoryEngine>[0]): Promise<Engine> {
  const engine = durableMemoryEngine(config);
  onTestFinished(() => engine.stop({ timeoutMs: 1000 }).catch(() => {}));
  await engine.start();
  return engine;
}

test('an event that a handler publishes to its own topic does not overtake events that wait for room', async () => {
  const engine = await started({ defaultEventBufferSize: 1 });
  const seen: unknown[] = [];
  let publish!: () => void;
  const published = new Promise<void>((resolve) => (publish = resolve));
  await engine.subscribe('a', async ({ payload }) => {
    seen.push(payload);
    if (payload !== 1) return;
    await published;
    await engine.publish({ topic: 'a', payload: 5 });
  });
  const all = [1, 2, 3, 4].map((payload) => engine.publish({ topic: 'a', payload }));
  publish();
  await Promise.all(all);
  await expect.poll(() => seen.length).toBe(5);
  expect(seen).toEqual([1, 2, 3, 4, 5]);
});

test('a handler can publish to a topic that is full of events for the same handler', async () => {
  const engine = await started({ maxEventQueueSize: 2 });
  const held = new HeldHandler();
  // It waits for the handler of "inner", and holds all that its topic has room for.
  await engine.subscribe('outer', async ({ payload }) => {
    if (payload === 1) await engine.publish({ topic: 'inner', payload });
  });
  const seen: unknown[] = [];
  await engine.subscribe('outer', ({ payload }) => void seen.push(payload));
  await engine.subscribe('inner', async (event) => {
    await held.handle(event);
    await engine.publish({ topic: 'outer', payload: 3 });
  });
  const outer = [1, 2].map((payload) => engine.publish({ topic: 'outer', payload }));
  held.open();
  await Promise.all(outer);
  expect(seen).toEqual([1, 2, 3]);
});
