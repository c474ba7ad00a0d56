import { createEventBus } from '@polybus/core';
import { durableMemoryEngine } from '@polybus/engine-memory';
import { afterEach, describe, expect, test } from 'vitest';
import { quietLogger } from '../quiet-logger.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function startedBus(config: Parameters<typeof durableMemoryEngine>[0] = {}) {
  const bus = createEventBus<{ 'order.placed': number; 'order.paid': string }>({
    engines: [{ name: 'm', engine: durableMemoryEngine(config) }],
    logger: quietLogger(),
  });
  stops.push(() => bus.stop());
  await bus.start();
  return bus;
}

describe('events()', () => {
  test('yields events in order, each acknowledged when the loop asks for the next', async () => {
    const bus = await startedBus();
    const events = bus.events('order.*');
    await events.ready;
    for (const n of [1, 2, 3]) await bus.publish('order.placed', n);
    const delivered: number[] = [];
    for await (const event of events) {
      delivered.push(bus.stats().delivered);
      if (event.payload === 3) break;
    }
    expect(delivered).toEqual([0, 1, 2]);
    expect(bus.stats()).toMatchObject({ delivered: 2, dropped: 1, pending: 0 });
    expect(bus.topics()).toEqual([]);
  });

  test('is bounded: a slow loop makes the publisher wait', async () => {
    const bus = await startedBus({ defaultEventBufferSize: 2 });
    const events = bus.events('order.placed');
    await events.ready;
    let published = 0;
    const publishing = (async () => {
      for (let n = 0; n < 10; n++) {
        await bus.publish('order.placed', n);
        published++;
      }
    })();
    await expect.poll(() => published).toBe(3);
    const seen: number[] = [];
    for await (const { payload } of events) {
      seen.push(payload);
      if (seen.length === 10) break;
    }
    await publishing;
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('ends when the bus stops, after the loop has handled its current event', async () => {
    const bus = await startedBus();
    const events = bus.events('order.placed');
    await events.ready;
    await bus.publish('order.placed', 1);
    const seen: number[] = [];
    let stopped: Promise<void> | undefined;
    for await (const { payload } of events) {
      stopped = bus.stop();
      seen.push(payload);
    }
    await stopped;
    expect(seen).toEqual([1]);
    expect(bus.stats()).toMatchObject({ delivered: 1, dropped: 0, pending: 0 });
  });

  test('a loop that waits for an event ends when the bus stops', async () => {
    const bus = await startedBus();
    const events = bus.events('order.placed');
    const next = events.next();
    await events.ready;
    await bus.stop();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  test.each([1, 2])('%i stream(s) of a group without readers end when the bus stops', async (count) => {
    const bus = await startedBus();
    const streams = Array.from({ length: count }, () => bus.events('order.placed', { group: 'g' }));
    await Promise.all(streams.map(({ ready }) => ready));
    await bus.publish('order.placed', 1);
    await expect.poll(() => bus.stats().pending).toBe(1);
    await bus.drain({ timeoutMs: 5000 });
    expect(bus.topics()).toEqual([]);
    await bus.stop();
    expect(bus.stats()).toMatchObject({ delivered: 0, dropped: 1, pending: 0 });
  });

  test('an event whose loop ended goes to another member of the group, and not back', async () => {
    const bus = await startedBus();
    const left = bus.events('order.placed', { group: 'g' });
    await left.ready;
    await bus.publish('order.placed', 1);
    await left.next();
    const other = bus.events('order.placed', { group: 'g' });
    await other.ready;
    await left.return();
    expect((await other.next()).value?.payload).toBe(1);
    await other.return();
  });

  test('rejects if the subscription fails', async () => {
    const bus = await startedBus();
    await expect(bus.events('order.*', { bufferSize: 0 }).next()).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    });
    await bus.stop();
    await expect(bus.events('order.*').next()).rejects.toMatchObject({ code: 'EVENT_BUS_NOT_STARTED' });
  });

  test.each([1, 2])(
    '%i unread stream(s) of a group end with the bus, and their events are counted',
    async (count) => {
      const bus = await startedBus();
      const streams = Array.from({ length: count }, () => bus.events('order.placed', { group: 'g' }));
      await Promise.all(streams.map(({ ready }) => ready));
      await bus.publish('order.placed', 1);
      await bus.stop({ timeoutMs: 5000 });
      for (const stream of streams) expect(await stream.next()).toEqual({ done: true, value: undefined });
      expect(bus.stats()).toMatchObject({ enqueued: 1, dropped: 1, pending: 0 });
    },
  );

  test('a loop ends if the bus is started again after drain(), as after stop()', async () => {
    const bus = createEventBus({ logger: quietLogger() });
    const reported: unknown[] = [];
    bus.observe(({ type }) => void reported.push(type.replace('com.modular.eventbus.', '')));
    await bus.start();
    const stream = bus.events('a');
    const next = stream.next();
    await stream.ready;
    await bus.drain();
    await bus.start();
    expect(await next).toEqual({ done: true, value: undefined });
    expect(bus.topics()).toEqual([]);
    expect(reported.slice(-4)).toEqual([
      'subscription.removed',
      'topic.deleted',
      'bus.stopped',
      'bus.started',
    ]);
    await bus.stop();
  });

  test('an unread stream that is drained releases its events to another member of its group', async () => {
    const bus = await startedBus();
    const events = bus.events('order.placed', { group: 'g' });
    await events.ready;
    await bus.publish('order.placed', 1);
    const seen: number[] = [];
    await bus.subscribe('order.placed', ({ payload }) => void seen.push(payload), { group: 'g' });
    await events.return();
    await expect.poll(() => seen).toEqual([1]);
  });

  test('a loop ends when its signal aborts, after its current event', async () => {
    const bus = await startedBus();
    const giveUp = new AbortController();
    const events = bus.events('order.placed', { signal: giveUp.signal });
    await events.ready;
    const seen: number[] = [];
    const loop = (async () => {
      for await (const { payload } of events) {
        seen.push(payload);
        if (payload === 2) giveUp.abort();
      }
    })();
    for (const n of [1, 2, 3]) void bus.publish('order.placed', n);
    await loop;
    expect(seen).toEqual([1, 2]);
    expect(bus.topics()).toEqual([]);
  });

  test('a loop that waits for an event ends when its signal aborts', async () => {
    const bus = await startedBus();
    const giveUp = new AbortController();
    const events = bus.events('order.placed', { signal: giveUp.signal });
    await events.ready;
    const next = events.next();
    giveUp.abort();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  test('a loop does not get an event whose attempts were used before it asked for the event', async () => {
    const bus = await startedBus();
    const dead: unknown[] = [];
    await bus.untyped.subscribe('_dead.order.placed', ({ payload }) => void dead.push(payload));
    const events = bus.events('order.placed', { handlerTimeoutMs: 1, retry: false });
    await events.ready;
    await bus.publish('order.placed', 1);
    await expect.poll(() => dead).toEqual([1]);
    const next = events.next();
    await bus.publish('order.placed', 2);
    expect(await next).toMatchObject({ value: { payload: 2 } });
  });
});
