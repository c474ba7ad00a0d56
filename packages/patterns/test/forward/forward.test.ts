import { setImmediate } from 'node:timers/promises';
import { type Event, RecordTooLargeError, type TypedEventBus, createEventBus } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { durableMemoryEngine, memoryEngine } from '@polybus/engine-memory';
import { until } from '@polybus/testbed/engine';
import { expect, onTestFinished, test } from 'vitest';
import { forward } from '../../src/index.ts';
import { quiet } from '../engines.ts';

interface Two {
  readonly bus: TypedEventBus<Record<string, unknown>>;
  readonly a: Engine;
  readonly b: Engine;
}

/** A bus with two engines. */
async function start(a: Engine = durableMemoryEngine(), b: Engine = durableMemoryEngine()): Promise<Two> {
  const engines = [
    { name: 'a', engine: a },
    { name: 'b', engine: b },
  ];
  const bus = createEventBus({ engines, logger: quiet });
  onTestFinished(() => bus.stop({ timeoutMs: 1000 }).catch(() => {}));
  await bus.start();
  return { bus, a, b };
}

/** The events that reach an engine. */
async function eventsOf(engine: Engine, pattern = '*'): Promise<Event[]> {
  const events: Event[] = [];
  await engine.subscribe(pattern, (event) => events.push(event));
  return events;
}

test('a forwarded event keeps its fields, and names the engine that it came from', async () => {
  const { bus, a, b } = await start();
  const events = await eventsOf(b);
  const forwarding = await forward(bus, 'order.*', { from: 'a', to: 'b' });
  const event = {
    topic: 'order.placed',
    id: 'o1',
    key: 'ada',
    payload: { total: 12 },
    metadata: { source: 'shop', correlationid: 'case-7' },
    createdAt: new Date(5),
  };
  await bus.publish(event);
  await bus.publish('order.file', new Uint8Array([1, 2]), { id: 'o2' });
  await bus.publish('user.created', {});
  await until('both are forwarded', () => forwarding.stats().forwarded === 2);
  expect(events.map(({ id }) => id)).toEqual(['o1', 'o2']);
  expect(events[0]).toMatchObject({ ...event, metadata: { ...event.metadata, forwardedfrom: ['a'] } });
  expect(events[1]).toMatchObject({ payload: new Uint8Array([1, 2]), key: undefined });
  expect(events[1]?.metadata).toEqual({ forwardedfrom: ['a'] });
  expect(forwarding.subscription).toMatchObject({ topic: 'order.*', group: 'forward.b' });
  expect(a.stats()).toMatchObject({ delivered: 2, failed: 0 });
});

test('events of one key keep their order, whatever the concurrency', async () => {
  const { bus, b } = await start();
  const events = await eventsOf(b);
  await forward(bus, '*', { from: 'a', to: 'b', concurrency: 4 });
  for (let i = 0; i < 50; i++) await bus.publish('order.placed', i, { key: `k${i % 3}` });
  await expect.poll(() => events.length).toBe(50);
  for (let k = 0; k < 3; k++) {
    const numbers = events.filter(({ key }) => key === `k${k}`).map(({ payload }) => Number(payload));
    expect(numbers).toEqual(numbers.toSorted((x, y) => x - y));
  }
});

test('with concurrency: 1, events without a key keep their order, although the other engine takes longer for some', async () => {
  const target = durableMemoryEngine();
  const { bus, b } = await start(durableMemoryEngine(), target);
  const events = await eventsOf(b);
  const publish = target.publish.bind(target);
  target.publish = async (event, options) => {
    if (Number(event.payload) % 2 === 0) await setImmediate();
    await publish(event, options);
  };
  await forward(bus, '*', { from: 'a', to: 'b', concurrency: 1 });
  const numbers = Array.from({ length: 20 }, (_, i) => i);
  for (const i of numbers) await bus.publish('order.placed', i);
  await expect.poll(() => events.map(({ payload }) => payload)).toEqual(numbers);
});

test('two engines can forward to each other: no event goes round in a circle', async () => {
  const { bus, a, b } = await start();
  const [atA, atB] = [await eventsOf(a), await eventsOf(b)];
  const there = await forward(bus, '*', { from: 'a', to: 'b' });
  const back = await forward(bus, '*', { from: 'b', to: 'a' });
  await a.publish({ topic: 'order.placed', id: 'of a', payload: {} });
  await b.publish({ topic: 'order.placed', id: 'of b', payload: {} });
  await until('both have come back', () => there.stats().skipped + back.stats().skipped === 2);
  expect(atA.map(({ id }) => id).toSorted()).toEqual(['of a', 'of b']);
  expect(atB.map(({ id }) => id).toSorted()).toEqual(['of a', 'of b']);
  expect([there.stats(), back.stats()]).toEqual([
    { forwarded: 1, skipped: 1 },
    { forwarded: 1, skipped: 1 },
  ]);
});

test('an event that comes back under another name of the engine is not forwarded again', async () => {
  const { bus, b } = await start();
  const events = await eventsOf(b);
  const forwarding = await forward(bus, '*', { from: 'a', to: 'b' });
  await bus.publish('order.placed', {}, { metadata: { forwardedfrom: ['x', 'a', 'y'] } });
  await until('the event is skipped', () => forwarding.stats().skipped === 1);
  expect(events).toEqual([]);
});

test('an event is acknowledged only after the other engine has accepted it, however often that fails', async () => {
  const target = durableMemoryEngine();
  const { bus, a, b } = await start(durableMemoryEngine(), target);
  const events = await eventsOf(b);
  const publish = target.publish.bind(target);
  let refusals = 0;
  target.publish = (event, options) =>
    refusals++ < 5 ? Promise.reject(new Error('the broker is down')) : publish(event, options);
  await forward(bus, '*', { from: 'a', to: 'b' });
  await bus.publish('order.placed', {}, { id: 'o1' });
  await until('a publish is refused', () => refusals > 0);
  expect(a.stats()).toMatchObject({ delivered: 0, pending: 1 });
  await expect.poll(() => events.map(({ id }) => id)).toEqual(['o1']);
  expect(a.stats()).toMatchObject({ delivered: 1, failed: 0, deadLettered: 0 });
});

test('an event that the other engine can never accept becomes a dead letter after one attempt', async () => {
  const target = durableMemoryEngine();
  const { bus, a } = await start(durableMemoryEngine(), target);
  target.publish = () => Promise.reject(new RecordTooLargeError('too large', { size: 2, limit: 1 }));
  const deadLetters = await eventsOf(a, '_dead.*');
  await forward(bus, '*', { from: 'a', to: 'b' });
  await bus.publish('order.placed', {}, { id: 'o1' });
  await expect
    .poll(() => deadLetters.map(({ topic, id }) => ({ topic, id })))
    .toEqual([{ topic: '_dead.order.placed', id: 'o1' }]);
  expect(a.stats()).toMatchObject({ retried: 0, deadLettered: 1 });
});

test('cancel() ends it, and the group continues where it was', async () => {
  const { bus, b } = await start();
  const events = await eventsOf(b);
  const options = { from: 'a', to: 'b', group: 'mirror', startAt: 'earliest' } as const;
  await bus.publish('order.placed', {}, { id: 'before' });
  const forwarding = await forward(bus, '*', options);
  await until('the first event is forwarded', () => events.length === 1);
  await forwarding.cancel();
  await bus.publish('order.placed', {}, { id: 'between' });
  await using again = await forward(bus, '*', options);
  await until('the second event is forwarded', () => again.stats().forwarded === 1);
  expect(events.map(({ id }) => id)).toEqual(['before', 'between']);
});

test('invalid arguments are refused', async () => {
  const { bus } = await start(memoryEngine());
  const refused = async (options: object, code: string): Promise<void> => {
    await expect(forward(bus, '*', { from: 'a', to: 'b', ...options } as never)).rejects.toMatchObject({
      code,
    });
  };
  await refused({ to: 'c' }, 'ENGINE_NOT_FOUND');
  await refused({ to: 'a' }, 'INVALID_OPTION');
  await refused({ group: 'a b' }, 'INVALID_OPTION');
  await refused({ form: 'a' }, 'UNKNOWN_OPTION');
});
