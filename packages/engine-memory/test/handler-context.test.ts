import { durableMemoryEngine, memoryEngine } from '@polybus/engine-memory';
import type { Engine } from '@polybus/core/engine';
import { expect, onTestFinished, test } from 'vitest';

async function started(engine: Engine): Promise<Engine> {
  onTestFinished(() => engine.stop({ timeoutMs: 1000 }).catch(() => {}));
  await engine.start();
  return engine;
}

/** Keeps the event loop busy until the time of day has changed by at least 20 ms. */
function block(): void {
  const end = Date.now() + 20;
  while (Date.now() < end);
}

test('a handler that returned no promise before does not wait for itself when it publishes after a pause', async () => {
  const engine = await started(memoryEngine());
  const seen: unknown[] = [];
  await engine.subscribe('a', () => {});
  await engine.subscribe('a', ({ payload }) => {
    seen.push(payload);
    if (payload !== 'pauses') return undefined;
    return Promise.resolve().then(() => engine.publish({ topic: 'a', payload: 'published after the pause' }));
  });
  await engine.subscribe('a', () => {});
  for (const payload of ['first', 'second', 'pauses', 'last']) await engine.publish({ topic: 'a', payload });
  await expect.poll(() => seen).toEqual(['first', 'second', 'pauses', 'published after the pause', 'last']);
});

test('work that one handler left behind is not taken for work of another handler that got the same event', async () => {
  const engine = await started(memoryEngine());
  const order: unknown[] = [];
  let release!: () => void;
  const held = new Promise<void>((resolve) => (release = resolve));
  let left: Promise<void> | undefined;
  await engine.subscribe('a', () => {
    left ??= Promise.resolve().then(async () => {
      await engine.publish({ topic: 'a', payload: 'second' });
      order.push('published');
    });
  });
  await engine.subscribe('a', async ({ payload }) => {
    await held;
    order.push(payload);
  });
  const first = engine.publish({ topic: 'a', payload: 'first' });
  await Promise.resolve();
  release();
  await Promise.all([first, left]);
  // If it counted as work of the second handler, its publish would not wait for that handler.
  expect(order).toEqual(['first', 'second', 'published']);
});

test('of handlers that run one after the other, each has started no earlier than the one before it has completed', async () => {
  const engine = await started(memoryEngine());
  const events: {
    readonly processingStarted?: Date | undefined;
    readonly processingCompleted?: Date | undefined;
  }[] = [];
  for (let i = 0; i < 3; i++) {
    await engine.subscribe('a', (event) => {
      events.push(event);
      block();
    });
  }
  await engine.publish({ topic: 'a', payload: 0 });
  const times = events.flatMap(({ processingStarted, processingCompleted }) => [
    processingStarted!.getTime(),
    processingCompleted!.getTime(),
  ]);
  expect(times).toHaveLength(6);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  for (let i = 0; i < 6; i += 2) expect(times[i + 1]! - times[i]!).toBeGreaterThanOrEqual(20);
});

test('the start of a handler is not before code of another handler that published its event', async () => {
  const engine = await started(memoryEngine());
  const inner: Date[] = [];
  const before: number[] = [];
  await engine.subscribe('inner', ({ processingStarted }) => void inner.push(processingStarted!));
  for (let i = 0; i < 2; i++) {
    await engine.subscribe('outer', () => {
      for (let nested = 0; nested < 2; nested++) {
        block();
        before.push(Date.now());
        void engine.publish({ topic: 'inner', payload: 0 });
      }
    });
  }
  // The first event shows that the handlers return no promise, and from then on they share what they can.
  for (let i = 0; i < 2; i++) await engine.publish({ topic: 'outer', payload: 0 });
  expect(inner).toHaveLength(8);
  for (const [i, date] of inner.entries()) expect(date.getTime()).toBeGreaterThanOrEqual(before[i]!);
});

test('an event that waits longer than its time to live behind a handler expires, and the next one that finds none is handled', async () => {
  const engine = await started(durableMemoryEngine({ eventTTL: '50ms' }));
  const seen: unknown[] = [];
  let release!: () => void;
  const held = new Promise<void>((resolve) => (release = resolve));
  await engine.subscribe('a', async ({ payload }) => {
    seen.push(payload);
    if (payload === 1) await held;
  });
  const all = [1, 2, 3].map((payload) => engine.publish({ topic: 'a', payload }));
  const end = performance.now() + 60;
  while (performance.now() < end);
  release();
  await Promise.all(all);
  await engine.publish({ topic: 'a', payload: 4 });
  expect(seen).toEqual([1, 4]);
  expect(engine.stats()).toMatchObject({ enqueued: 4, delivered: 2, dropped: 2, pending: 0 });
});

test('an event that finds no worker free expires, although no other event of its subscription waits', async () => {
  const engine = await started(durableMemoryEngine({ eventTTL: '50ms', workerCount: 1 }));
  const seen: string[] = [];
  let release!: () => void;
  const held = new Promise<void>((resolve) => (release = resolve));
  await engine.subscribeAsync('a', async () => {
    seen.push('a');
    await held;
  });
  await engine.subscribeAsync('b', () => void seen.push('b'));
  await engine.publish({ topic: 'a', payload: 0 });
  await expect.poll(() => seen).toEqual(['a']);
  await engine.publish({ topic: 'b', payload: 0 });
  await Promise.resolve();
  const end = performance.now() + 60;
  while (performance.now() < end);
  release();
  await expect.poll(() => engine.stats().pending).toBe(0);
  expect(seen).toEqual(['a']);
  expect(engine.stats()).toMatchObject({ delivered: 1, dropped: 1 });
});
