import {
  type Event,
  type EventBusOptions,
  type TypedEventBus,
  causedBy,
  correlationOf,
  createEventBus,
  deadLetterOf,
  forTenant,
  tenantMiddleware,
} from '@polybus/core';
import { memoryEngine } from '@polybus/engine-memory';
import { expect, onTestFinished, test } from 'vitest';
import { quietLogger } from '../quiet-logger.ts';

async function startedBus(options: EventBusOptions = {}): Promise<TypedEventBus<Record<string, unknown>>> {
  const bus = createEventBus({ logger: quietLogger(), ...options });
  onTestFinished(() => bus.stop());
  await bus.start();
  return bus;
}

/** Collects the metadata of the events of a topic or pattern. */
async function metadataOf(
  bus: TypedEventBus<Record<string, unknown>>,
  topic: string,
): Promise<Record<string, unknown>[]> {
  const all: Record<string, unknown>[] = [];
  await bus.subscribe(topic, ({ metadata }) => void all.push(metadata));
  return all;
}

test('a chain of handlers keeps the correlation of its first event, and each event has its own cause', async () => {
  const bus = await startedBus();
  const ids: string[] = [];
  await bus.subscribe('a', async (event) => {
    ids.push(event.id);
    await bus.publish('b', {});
  });
  await bus.subscribeAsync('b', async (event) => {
    ids.push(event.id);
    await bus.publish({ topic: 'c', payload: {} });
  });
  const seen = await metadataOf(bus, '*');
  await bus.publish('a', {}, { id: 'first' });
  await expect.poll(() => seen.length).toBe(3);
  expect(seen).toEqual([
    {},
    { correlationid: 'first', causationid: 'first' },
    { correlationid: 'first', causationid: ids[1] },
  ]);
});

test('values that the publisher sets are kept', async () => {
  const bus = await startedBus();
  await bus.subscribe('in', async () => {
    await bus.publish('out', 1, { metadata: { correlationid: 'case-7' } });
    await bus.publish('out', 2, { metadata: { causationid: 'mine', other: true } });
    await bus.publish('out', 3, { metadata: { correlationid: null, causationid: null } });
  });
  const seen = await metadataOf(bus, 'out');
  await bus.publish('in', {}, { id: 'e1' });
  expect(seen).toEqual([
    { correlationid: 'case-7', causationid: 'e1' },
    { correlationid: 'e1', causationid: 'mine', other: true },
    { correlationid: null, causationid: null },
  ]);
});

test('an event that its handler publishes again stays as it is', async () => {
  const bus = await startedBus();
  await bus.subscribe('in', (event) => bus.publish({ ...event, topic: 'mirror' }));
  const seen = await metadataOf(bus, 'mirror');
  await bus.publish('in', {});
  await bus.publish('in', {}, { metadata: { correlationid: 'c', causationid: 'x' } });
  expect(seen).toEqual([{}, { correlationid: 'c', causationid: 'x' }]);
});

test('an event that is published outside of a handler, or after the handler has settled, has no cause', async () => {
  const bus = await startedBus();
  let later: (() => void) | undefined;
  const settled = new Promise<void>((resolve) => (later = resolve));
  let late: Promise<void> | undefined;
  await bus.subscribe('in', () => {
    late = settled.then(() => bus.publish('out', 'late'));
  });
  const seen = await metadataOf(bus, 'out');
  await bus.publish('in', {});
  await bus.publish('out', 'outside');
  later!();
  await late;
  expect(seen).toEqual([{}, {}]);
});

test('handlers that return no promise, of the same and of other subscriptions, do not mix their causes', async () => {
  const bus = await startedBus();
  const publishing: Promise<void>[] = [];
  for (const name of ['x', 'y'])
    await bus.subscribeAsync('in', (event) => void publishing.push(bus.publish(`out.${name}`, event.id)));
  const seen: [unknown, unknown][] = [];
  await bus.subscribe('out.*', ({ payload, metadata }) => void seen.push([payload, metadata['causationid']]));
  await Promise.all(Array.from({ length: 5 }, (_, n) => bus.publish('in', n)));
  await expect.poll(() => seen.length).toBe(10);
  for (const [id, cause] of seen) expect(cause).toBe(id);
  await Promise.all(publishing);
});

test('publish middleware sees the cause, and what it replaces gets the cause again', async () => {
  const between: unknown[] = [];
  const bus = await startedBus({
    middleware: {
      publish: [
        ({ event, next }) => {
          between.push(event.metadata['causationid']);
          return next({ topic: event.topic, payload: event.payload, metadata: { replaced: true } });
        },
      ],
    },
  });
  let handled: string | undefined;
  await bus.subscribe('in', (event) => {
    handled = event.id;
    return bus.publish('out', {});
  });
  const seen = await metadataOf(bus, 'out');
  await bus.publish('in', {});
  expect(between).toEqual([undefined, handled]);
  expect(seen).toEqual([{ replaced: true, correlationid: handled, causationid: handled }]);
});

test('handle middleware that changes the event does not change the cause', async () => {
  const bus = await startedBus({
    middleware: { handle: [({ event, next }) => next({ ...event, id: 'changed', metadata: {} })] },
  });
  await bus.subscribe('in', () => bus.publish('out', {}, { id: 'effect' }));
  const seen: unknown[] = [];
  const stop = await bus.router.engine(bus.router.engineFor('out')).subscribe('out', ({ metadata }) => {
    seen.push(metadata);
  });
  await bus.publish('in', {}, { id: 'e1', metadata: { correlationid: 'c1' } });
  await stop.cancel();
  expect(seen).toEqual([{ correlationid: 'c1', causationid: 'e1' }]);
});

test('the cause crosses engines and tenants', async () => {
  const bus = await startedBus({
    engines: [
      { name: 'one', engine: memoryEngine() },
      { name: 'two', engine: memoryEngine() },
    ],
    routing: [{ topics: ['out'], engine: 'two' }],
    middleware: tenantMiddleware(),
  });
  const acme = forTenant(bus, 'acme');
  await acme.subscribe('in', () => bus.publish('out', {}));
  const seen = await metadataOf(bus, 'out');
  await acme.publish('in', {}, { id: 'e1' });
  expect(seen).toEqual([{ tenant: 'acme', correlationid: 'e1', causationid: 'e1' }]);
});

test('a dead letter and its redriven event keep the correlation of the event, and not that of a handler', async () => {
  const bus = await startedBus({ engine: 'durable-memory' });
  let isBroken = true;
  const handled: Event[] = [];
  const letters: Event[] = [];
  await bus.subscribe('_dead.in', (event) => void letters.push(event));
  await bus.subscribe(
    'in',
    (event) => {
      if (isBroken) throw new Error('broken');
      handled.push(event);
    },
    { group: 'g', retry: false },
  );
  const metadata = { correlationid: 'c1', causationid: 'e0' };
  await bus.publish('in', {}, { id: 'e1', metadata });
  await bus.publish('in', {}, { id: 'e2' });
  await expect.poll(() => letters.length).toBe(2);
  expect(letters.map(({ metadata: { 'polybus.deadLetter': _letter, ...rest } }) => rest)).toEqual([
    metadata,
    {},
  ]);
  expect(deadLetterOf(letters[0]!)?.sourceTopic).toBe('in');
  isBroken = false;
  await bus.redrive('in', { group: 'g', idleMs: 100 });
  await expect.poll(() => handled.length).toBe(2);
  expect(handled.map((event) => [event.id, event.metadata])).toEqual([
    ['e1', metadata],
    ['e2', {}],
  ]);
});

test('correlationOf() and causedBy() read what the metadata say', () => {
  expect(correlationOf({ id: 'e1', metadata: {} })).toEqual({
    correlationId: 'e1',
    causationId: undefined,
  });
  const caused = { id: 'e2', metadata: causedBy({ id: 'e1', metadata: { correlationid: 'c' } }) };
  expect(caused.metadata).toEqual({ correlationid: 'c', causationid: 'e1' });
  expect(correlationOf(caused)).toEqual({ correlationId: 'c', causationId: 'e1' });
  for (const odd of ['', 7, null, {}])
    expect(correlationOf({ id: 'e1', metadata: { correlationid: odd, causationid: odd } })).toEqual({
      correlationId: 'e1',
      causationId: undefined,
    });
});
