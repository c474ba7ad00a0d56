import type { Engine } from '@polybus/core/engine';
import { afterEach, describe, expect, test } from 'vitest';
import { type MemoryConfig, memoryEngine } from '@polybus/engine-memory';
import { HeldHandler, captureLog } from './held-handler.ts';

const engines: Engine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.stop();
});

async function started(config: MemoryConfig) {
  const engine = memoryEngine(config);
  engines.push(engine);
  const log = captureLog(engine);
  await engine.start();
  return { engine, log };
}

/** Publishes payloads 0 … count - 1 without waiting for any. */
function publishAll(
  engine: Engine,
  count: number,
  topic = 'a',
): { settled: boolean[]; all: Promise<unknown> } {
  const settled: boolean[] = Array.from({ length: count }, () => false);
  const all = Promise.all(
    settled.map((_, payload) => engine.publish({ topic, payload }).then(() => (settled[payload] = true))),
  );
  return { settled, all };
}

describe('drop', () => {
  test('drops and counts events that do not fit into the buffer, and never makes the publisher wait', async () => {
    const { engine } = await started({ defaultEventBufferSize: 3, workerCount: 1 });
    const held = new HeldHandler();
    await engine.subscribeAsync('a', held.handle);
    await publishAll(engine, 1).all;
    await expect.poll(() => held.got).toEqual([0]);
    await publishAll(engine, 10).all;
    expect(engine.stats()).toMatchObject({ published: 11, enqueued: 11, dropped: 7, pending: 4 });
    held.open();
    await expect.poll(() => engine.stats().pending).toBe(0);
    expect(held.got).toEqual([0, 0, 1, 2]);
    expect(engine.stats()).toMatchObject({ enqueued: 11, delivered: 4, dropped: 7 });
  });

  test('logs drops at most once per second, with their number', async () => {
    const { engine, log } = await started({ defaultEventBufferSize: 1, workerCount: 1 });
    const held = new HeldHandler();
    const subscription = await engine.subscribeAsync('a', held.handle);
    await publishAll(engine, 100).all;
    expect(log).toMatchObject([
      { message: expect.stringContaining('To lose none, set the engine "durable-memory"') as string },
      { message: 'dropped 1 event(s)', fields: { subscription: subscription.id, reason: 'buffer-full' } },
    ]);
    held.open();
    await engine.stop();
    expect(engine.stats().dropped).toBe(99);
    expect(log.at(-1)!.message).toBe('dropped 98 event(s)');
    expect(log).toHaveLength(3);
  });
});

describe('block', () => {
  test('an awaited publish waits until there is room', async () => {
    const { engine } = await started({ deliveryMode: 'block', defaultEventBufferSize: 2, workerCount: 1 });
    const held = new HeldHandler();
    await engine.subscribeAsync('a', held.handle);
    await publishAll(engine, 1).all;
    await expect.poll(() => held.got.length).toBe(1);
    const { settled, all } = publishAll(engine, 5);
    await expect.poll(() => settled.filter(Boolean).length).toBe(2);
    held.releaseOne();
    await expect.poll(() => settled).toEqual([true, true, true, false, false]);
    held.open();
    await all;
    await expect.poll(() => held.got).toEqual([0, 0, 1, 2, 3, 4]);
    expect(engine.stats().dropped).toBe(0);
  });

  test('a slow subscription holds back its publisher, but no other subscription', async () => {
    const { engine } = await started({ deliveryMode: 'block', defaultEventBufferSize: 1, workerCount: 2 });
    const slow = new HeldHandler();
    const fast = new HeldHandler();
    fast.open();
    await engine.subscribeAsync('a', slow.handle, { concurrency: 1 });
    await engine.subscribeAsync('a', fast.handle, { concurrency: 1 });
    const { settled, all } = publishAll(engine, 4);
    await expect.poll(() => fast.got).toEqual([0, 1, 2, 3]);
    expect(settled.filter(Boolean).length).toBeLessThan(4);
    slow.open();
    await all;
    await expect.poll(() => slow.got).toEqual([0, 1, 2, 3]);
  });

  test('a publish does not wait for a handler that aborts the signal of the publish', async () => {
    const { engine } = await started({ deliveryMode: 'block' });
    const controller = new AbortController();
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    await engine.subscribe('a', () => {
      controller.abort(new Error('given up'));
      return gate;
    });
    const publishing = engine.publish({ topic: 'a', payload: 1 }, { signal: controller.signal });
    await expect(publishing).rejects.toThrow('given up');
    open();
  });

  test('a publish that is aborted is dropped and counted, and blocks no other publish', async () => {
    const { engine } = await started({ deliveryMode: 'block', defaultEventBufferSize: 1, workerCount: 1 });
    const held = new HeldHandler();
    await engine.subscribeAsync('a', held.handle);
    await publishAll(engine, 1).all;
    await expect.poll(() => held.got.length).toBe(1);
    await engine.publish({ topic: 'a', payload: 'waits' });
    const controller = new AbortController();
    const given = engine.publish({ topic: 'a', payload: 'given up' }, { signal: controller.signal });
    const behind = engine.publish({ topic: 'a', payload: 'behind' });
    controller.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    held.open();
    await behind;
    await expect.poll(() => held.got).toEqual([0, 'waits', 'behind']);
    expect(engine.stats()).toMatchObject({ dropped: 1, delivered: 3, pending: 0 });
  });

  test('handlers that publish to their own full topic, or to each other in a cycle, do not deadlock', async () => {
    const { engine } = await started({ deliveryMode: 'block', defaultEventBufferSize: 1, workerCount: 1 });
    const seen: string[] = [];
    await engine.subscribeAsync<number>('a', async ({ payload }) => {
      seen.push(`a${payload}`);
      if (payload > 0) for (let i = 0; i < 3; i++) await engine.publish({ topic: 'b', payload: payload - 1 });
    });
    await engine.subscribeAsync<number>('b', async ({ payload }) => {
      seen.push(`b${payload}`);
      if (payload > 0) for (let i = 0; i < 3; i++) await engine.publish({ topic: 'a', payload: payload - 1 });
    });
    await engine.publish({ topic: 'a', payload: 4 });
    await expect.poll(() => seen.length).toBe(1 + 3 + 9 + 27 + 81);
    expect(engine.stats().dropped).toBe(0);
  });

  test('a chain of topics holds back its first publisher', async () => {
    const { engine } = await started({ deliveryMode: 'block', defaultEventBufferSize: 2, workerCount: 2 });
    const held = new HeldHandler();
    await engine.subscribeAsync('b', held.handle, { concurrency: 1 });
    await engine.subscribeAsync('a', ({ payload }) => engine.publish({ topic: 'b', payload }), {
      concurrency: 1,
    });
    const { settled, all } = publishAll(engine, 20);
    await expect.poll(() => engine.stats().pending).toBeGreaterThan(4);
    expect(settled.filter(Boolean).length).toBeLessThan(10);
    held.open();
    await all;
    await expect.poll(() => held.got).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });
});

describe('timeout', () => {
  test('waits up to publishBlockTimeout for room, then drops the event', async () => {
    const { engine, log } = await started({
      deliveryMode: 'timeout',
      publishBlockTimeout: '20ms',
      defaultEventBufferSize: 1,
      workerCount: 1,
    });
    const held = new HeldHandler();
    await engine.subscribeAsync('a', held.handle);
    await publishAll(engine, 1).all;
    await expect.poll(() => held.got.length).toBe(1);
    const { all } = publishAll(engine, 3);
    await all;
    expect(engine.stats()).toMatchObject({ enqueued: 4, dropped: 2, pending: 2 });
    expect(log).toMatchObject([
      { message: expect.stringContaining('or deliveryMode "block"') as string },
      { fields: { reason: 'block-timeout' } },
    ]);
    held.open();
  });

  test('accepts the event if there is room in time', async () => {
    const { engine } = await started({
      deliveryMode: 'timeout',
      publishBlockTimeout: '1h',
      defaultEventBufferSize: 1,
      workerCount: 1,
    });
    const held = new HeldHandler();
    await engine.subscribeAsync('a', held.handle);
    const { all } = publishAll(engine, 5);
    held.open();
    await all;
    await expect.poll(() => held.got.length).toBe(5);
    expect(engine.stats().dropped).toBe(0);
  });

  test('drops at once with a timeout of zero', async () => {
    const { engine } = await started({ deliveryMode: 'timeout', defaultEventBufferSize: 1, workerCount: 1 });
    await engine.subscribeAsync('a', new HeldHandler().handle, { concurrency: 1 });
    await publishAll(engine, 5).all;
    expect(engine.stats().dropped).toBe(4);
    await engine.stop({ timeoutMs: 0 }).catch(() => {});
  });
});

describe('limits', () => {
  test('maxEventQueueSize limits a topic over all its subscriptions, and no other topic', async () => {
    const { engine } = await started({ maxEventQueueSize: 4, defaultEventBufferSize: 100, workerCount: 1 });
    const held = new HeldHandler();
    await engine.subscribeAsync('a', held.handle);
    await engine.subscribeAsync('a', held.handle);
    await publishAll(engine, 10).all;
    expect(engine.stats()).toMatchObject({ dropped: 16, pending: 4 });
    await engine.publish({ topic: 'b', payload: 1 });
    held.open();
    await expect.poll(() => engine.stats().pending).toBe(0);
    await publishAll(engine, 1).all;
    expect(engine.stats().dropped).toBe(16);
  });

  test('maxEventQueueSize makes publishers wait in block mode until events are settled', async () => {
    const { engine } = await started({ deliveryMode: 'block', maxEventQueueSize: 2, workerCount: 1 });
    const held = new HeldHandler();
    await engine.subscribeAsync('a', held.handle);
    const { settled, all } = publishAll(engine, 6);
    await expect.poll(() => settled.filter(Boolean).length).toBe(2);
    held.open();
    await all;
    await expect.poll(() => held.got).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('workerCount limits the handlers of all async subscriptions together', async () => {
    const { engine } = await started({ workerCount: 3, defaultEventBufferSize: 100 });
    const held = new HeldHandler();
    await engine.subscribeAsync('a', held.handle);
    await engine.subscribeAsync('b', held.handle);
    await publishAll(engine, 10, 'a').all;
    await publishAll(engine, 10, 'b').all;
    await expect.poll(() => held.got.length).toBe(3);
    held.open();
    await expect.poll(() => held.got.length).toBe(20);
    expect(held.most).toBe(3);
  });

  test('an event that waited longer than eventTTL is dropped', async () => {
    const { engine, log } = await started({ eventTTL: '5ms', workerCount: 1 });
    const held = new HeldHandler();
    await engine.subscribeAsync('a', held.handle);
    await publishAll(engine, 2).all;
    await expect.poll(() => held.got.length).toBe(1);
    const late = Date.now() + 10;
    await expect.poll(() => Date.now()).toBeGreaterThan(late);
    held.open();
    await expect.poll(() => engine.stats()).toMatchObject({ delivered: 1, dropped: 1, pending: 0 });
    expect(log[0]).toMatchObject({ fields: { reason: 'expired' } });
  });

  test('rotateSubscriberOrder starts each publish with another subscription', async () => {
    const { engine } = await started({ rotateSubscriberOrder: true });
    const order: string[] = [];
    for (const name of ['x', 'y', 'z']) await engine.subscribe('a', () => void order.push(name));
    for (let i = 0; i < 4; i++) await engine.publish({ topic: 'a', payload: i });
    expect(order.join('')).toBe('xyzyzxzxyxyz');
  });
});
