import { type Subscription, createEventBus } from '@polybus/core';
import { createEvent } from '@polybus/core/engine';
import { memoryEngine } from '@polybus/engine-memory';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { HandTransport, forgotten, handEngine } from '../hand-engine.ts';
import { quietLogger } from '../quiet-logger.ts';

/** Two engines, of which each carries one of the topics `a.one` and `b.two`, and an async subscription to both. */
async function spanning(concurrency?: number) {
  const bus = createEventBus({
    logger: quietLogger(),
    engines: [
      { name: 'a', engine: memoryEngine({ deliveryMode: 'block' }) },
      { name: 'b', engine: memoryEngine({ deliveryMode: 'block' }) },
    ],
    routing: [{ topics: ['b.*'], engine: 'b' }],
  });
  onTestFinished(() => bus.stop());
  await bus.start();
  const open: (() => void)[] = [];
  const handled: unknown[] = [];
  let running = 0;
  let most = 0;
  const subscription = await bus.subscribeAsync(
    '*',
    async ({ payload }) => {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => open.push(resolve));
      running--;
      handled.push(payload);
    },
    { concurrency },
  );
  return {
    bus,
    subscription,
    handled,
    most: () => most,
    running: () => running,
    finishAll: () => {
      for (const resolve of open.splice(0)) resolve();
    },
  };
}

describe('a subscription that spans several engines', () => {
  test('pauses and resumes on all of them', async () => {
    const { bus, subscription, handled, running, finishAll } = await spanning();
    subscription.pause();
    await bus.publish('a.one', 1);
    await bus.publish('b.two', 2);
    await expect.poll(() => bus.stats().pending).toBe(2);
    expect(running()).toBe(0);
    expect(bus.stats()).toMatchObject({ pending: 2, running: 0 });
    subscription.resume();
    await expect.poll(running).toBe(2);
    finishAll();
    await expect.poll(() => handled.toSorted((a, b) => Number(a) - Number(b))).toEqual([1, 2]);
  });

  test.each([undefined, 4])('shares a changed concurrency between them, from %s', async (concurrency) => {
    const { bus, subscription, handled, running, most, finishAll } = await spanning(concurrency);
    subscription.setConcurrency(1);
    for (const n of [0, 1]) await bus.publish('a.one', n);
    for (const n of [2, 3]) await bus.publish('b.two', n);
    for (let n = 1; n <= 2; n++) {
      await expect.poll(running).toBe(1);
      finishAll();
      await expect.poll(() => handled.length).toBe(n);
    }
    expect(most()).toBe(1);
    await expect.poll(running).toBe(1);
    subscription.setConcurrency(2);
    await expect.poll(running).toBe(2);
    finishAll();
    await expect.poll(() => handled.length).toBe(4);
  });
});

test('a handler can pause its subscription before subscribe() has resolved', async () => {
  const transport = new HandTransport();
  const bus = createEventBus({
    logger: quietLogger(),
    engines: [{ name: 'hand', engine: handEngine(transport) }],
  });
  onTestFinished(() => bus.stop());
  await bus.start();
  const handled: unknown[] = [];
  transport.onListen = async (receiver) => {
    for (const payload of [1, 2]) receiver.deliver(createEvent({ topic: 'a', payload }), forgotten);
  };
  const subscribing = bus.subscribe('a', ({ payload }, { subscription }) => {
    handled.push(payload);
    subscription.pause();
  });
  const subscription = await subscribing;
  expect(subscription.isPaused).toBe(true);
  expect(handled).toEqual([1]);
  subscription.resume();
  await expect.poll(() => handled).toEqual([1, 2]);
});

test('an engine with a subscription of its own is paused, resumed and limited with the subscription of the bus', async () => {
  const inner = memoryEngine();
  const made: Subscription[] = [];
  // It passes on no symbols, as an engine with another copy of core does not see them.
  const subscribeAsync: typeof inner.subscribeAsync = async (topic, handler, options = {}) => {
    const subscription = await inner.subscribeAsync(topic, handler, { bufferSize: options.bufferSize });
    made.push(subscription);
    return subscription;
  };
  const foreign = new Proxy(inner, {
    get: (target, name) => {
      const value: unknown = name === 'subscribeAsync' ? subscribeAsync : Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const bus = createEventBus({ logger: quietLogger(), engines: [{ name: 'foreign', engine: foreign }] });
  onTestFinished(() => bus.stop());
  await bus.start();
  const handled: unknown[] = [];
  const subscription = await bus.subscribeAsync('a', ({ payload }) => void handled.push(payload));
  subscription.pause();
  expect(made[0]!.isPaused).toBe(true);
  await bus.publish('a', 1);
  await bus.publish('a', 2);
  expect(handled).toEqual([]);
  subscription.resume();
  await expect.poll(() => handled).toEqual([1, 2]);
});

describe('on the memory engine, a paused subscription', () => {
  test('drops what finds its buffer full, if the deliveryMode is drop', async () => {
    const bus = createEventBus({ logger: quietLogger(), engines: [{ name: 'm', engine: memoryEngine() }] });
    onTestFinished(() => bus.stop());
    await bus.start();
    const handled: unknown[] = [];
    const subscription = await bus.subscribeAsync('a', ({ payload }) => void handled.push(payload), {
      bufferSize: 2,
    });
    subscription.pause();
    for (const n of [1, 2, 3]) await bus.publish('a', n);
    expect(bus.stats()).toMatchObject({ pending: 2, dropped: 1 });
    subscription.resume();
    await expect.poll(() => handled).toEqual([1, 2]);
  });

  test('makes publishers wait for room with durable-memory, and stop() ends that wait and counts what is left', async () => {
    const bus = createEventBus({ logger: quietLogger(), engine: 'durable-memory' });
    await bus.start();
    const handled: unknown[] = [];
    const subscription = await bus.subscribeAsync('a', ({ payload }) => void handled.push(payload), {
      bufferSize: 1,
    });
    subscription.pause();
    await bus.publish('a', 1);
    let hasRoom = false;
    const waiting = bus.publish('a', 2).then(() => (hasRoom = true));
    await bus.publish('other', 1);
    expect(hasRoom).toBe(false);
    await bus.stop();
    await waiting;
    expect(handled).toEqual([]);
    expect(bus.stats()).toMatchObject({ enqueued: 2, dropped: 2, pending: 0, delivered: 0 });
  });

  test('does not keep stop() waiting if a handler pauses another subscription while the bus stops', async () => {
    const bus = createEventBus({ logger: quietLogger(), engines: [{ name: 'm', engine: memoryEngine() }] });
    await bus.start();
    const handled: unknown[] = [];
    let goOn: (() => void) | undefined;
    const other = await bus.subscribeAsync('b', ({ payload }) => void handled.push(payload));
    await bus.subscribeAsync('a', async () => {
      await new Promise<void>((resolve) => (goOn = resolve));
      other.pause();
      await bus.publish('b', 1);
    });
    await bus.publish('a', 1);
    await vi.waitUntil(() => goOn !== undefined);
    const stopping = bus.stop();
    goOn!();
    await stopping;
    expect(handled).toEqual([1]);
  });
});

test('a concurrency above the workerCount is warned of when it is set, once', async () => {
  const logger = quietLogger();
  const bus = createEventBus({ logger, engines: [{ name: 'm', engine: memoryEngine({ workerCount: 2 }) }] });
  onTestFinished(() => bus.stop());
  await bus.start();
  const subscription = await bus.subscribeAsync('a', () => {});
  const warnings = vi.spyOn(logger, 'warn');
  subscription.setConcurrency(3);
  subscription.pause();
  subscription.resume();
  subscription.setConcurrency(2);
  expect(warnings.mock.calls.map(([message]) => message)).toEqual([
    expect.stringContaining('has a concurrency of 3, but at most 2 handlers run at once'),
  ]);
});
