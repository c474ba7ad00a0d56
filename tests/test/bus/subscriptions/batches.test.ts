import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type AttemptData,
  type BatchContext,
  type Event,
  type EventBusOptions,
  type TypedEventBus,
  UnrecoverableError,
  createEventBus,
  deadLetterOf,
  forTenant,
  tenantMiddleware,
} from '@polybus/core';
import { memoryEngine } from '@polybus/engine-memory';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import * as z from 'zod';
import { quietLogger } from '../quiet-logger.ts';

type Bus = TypedEventBus<Record<string, unknown>>;

const soon = { attempts: 3, backoff: { initialMs: 1, maxMs: 1, jitter: 'none' } } as const;
/** Only a full batch begins. */
const patient = { maxWaitMs: 600_000 } as const;

async function startedBus(options: EventBusOptions = { engine: 'durable-memory' }): Promise<Bus> {
  const bus = createEventBus({ logger: quietLogger(), ...options });
  onTestFinished(() => bus.stop());
  await bus.start();
  return bus;
}

/** A batch handler that records the payloads of its batches. */
function recorded(body?: (events: readonly Event[], context: BatchContext) => unknown) {
  const batches: unknown[][] = [];
  const handle = (events: readonly Event[], context: BatchContext): unknown => {
    batches.push(events.map(({ payload }) => payload));
    return body?.(events, context);
  };
  return { batches, handle };
}

async function publishAll(bus: Bus, topic: string, keys: readonly (string | undefined)[]): Promise<void> {
  for (const [n, key] of keys.entries()) await bus.publish(topic, n, { key });
}

const keys = (count: number, key?: string): (string | undefined)[] =>
  Array.from({ length: count }, () => key);

describe('a batch begins', () => {
  test('when it is full, and then the next, one at a time', async () => {
    const bus = await startedBus();
    const open: (() => void)[] = [];
    const seen = recorded(() => new Promise<void>((resolve) => open.push(resolve)));
    await bus.subscribeBatch('a', seen.handle, { maxSize: 3, ...patient });
    await publishAll(bus, 'a', keys(7, 'k'));
    await expect.poll(() => seen.batches).toEqual([[0, 1, 2]]);
    expect(bus.stats()).toMatchObject({ pending: 7, running: 3 });
    open.shift()!();
    await expect.poll(() => seen.batches.length).toBe(2);
    expect(seen.batches[1]).toEqual([3, 4, 5]);
    open.shift()!();
    await expect.poll(() => bus.stats()).toMatchObject({ delivered: 6, pending: 1, running: 0 });
    expect(seen.batches.length).toBe(2);
    const stopping = bus.stop();
    await vi.waitUntil(() => open.length > 0);
    open.shift()!();
    await stopping;
    expect(seen.batches[2]).toEqual([6]);
  });

  test('when its first event has waited for maxWaitMs', async () => {
    const bus = await startedBus();
    const seen = recorded();
    await bus.subscribeBatch('a', seen.handle, { maxSize: 100, maxWaitMs: 20 });
    await publishAll(bus, 'a', keys(3));
    await expect.poll(() => seen.batches).toEqual([[0, 1, 2]]);
    await bus.publish('a', 3);
    await expect.poll(() => seen.batches).toEqual([[0, 1, 2], [3]]);
  });

  test('at once with what there is, if maxWaitMs is 0', async () => {
    const bus = await startedBus();
    const seen = recorded();
    await bus.subscribeBatch('a', seen.handle, { maxWaitMs: 0 });
    await Promise.all([0, 1, 2].map((n) => bus.publish('a', n)));
    await expect.poll(() => seen.batches.flat()).toEqual([0, 1, 2]);
  });

  test('when the buffer is full, because no more events can come', async () => {
    const bus = await startedBus();
    const seen = recorded();
    await bus.subscribeBatch('a', seen.handle, { maxSize: 100, ...patient, bufferSize: 2 });
    await publishAll(bus, 'a', keys(2));
    await expect.poll(() => seen.batches).toEqual([[0, 1]]);
  });

  test('when the bus stops, on an engine that handles what is queued', async () => {
    const bus = await startedBus();
    const seen = recorded();
    await bus.subscribeBatch('a', seen.handle, { maxSize: 2, ...patient });
    await publishAll(bus, 'a', keys(3));
    await bus.stop();
    expect(seen.batches).toEqual([[0, 1], [2]]);
    expect(bus.stats()).toMatchObject({ delivered: 3, dropped: 0, pending: 0 });
  });

  test('not while the subscription is paused, and at once after resume() if it was due', async () => {
    const bus = await startedBus();
    const seen = recorded();
    const subscription = await bus.subscribeBatch('a', seen.handle, { maxSize: 2, ...patient });
    subscription.pause();
    await publishAll(bus, 'a', keys(2));
    expect(seen.batches).toEqual([]);
    subscription.resume();
    await expect.poll(() => seen.batches).toEqual([[0, 1]]);
  });
});

test('the buffer has room for a batch that is larger than the buffer of the engine', async () => {
  const bus = await startedBus({
    engines: [{ name: 'm', engine: memoryEngine({ defaultEventBufferSize: 2 }) }],
  });
  const seen = recorded();
  await bus.subscribeBatch('a', seen.handle, { maxSize: 20, ...patient });
  await publishAll(bus, 'a', keys(20));
  await expect.poll(() => seen.batches.map(({ length }) => length)).toEqual([20]);
  expect(bus.stats()).toMatchObject({ dropped: 0 });
});

test('health() is up while events wait for their batch to be full for longer than the stall limit', async () => {
  const bus = await startedBus({
    engines: [{ name: 'm', engine: memoryEngine({ stallLimitMs: 30, workerCount: 1 }) }],
  });
  await bus.subscribeBatch('waiting', () => {}, patient);
  await bus.publish('waiting', 1);
  let open: (() => void) | undefined;
  await bus.subscribeAsync('hanging', () => new Promise<void>((resolve) => (open = resolve)));
  for (const n of [1, 2]) await bus.publish('hanging', n);
  await expect.poll(async () => (await bus.health()).error, { timeout: 10_000 }).toContain('"hanging"');
  expect((await bus.health()).error).not.toContain('"waiting"');
  open!();
  await expect.poll(() => bus.stats().running).toBe(1);
  open!();
});

describe('an event of a batch that fails', () => {
  test('is retried alone, and the others are handled', async () => {
    const bus = await startedBus();
    const attempts: number[] = [];
    const seen = recorded((events, context) => {
      const one = events.find(({ payload }) => payload === 1);
      if (one === undefined) return;
      attempts.push(context.attemptOf(one));
      if (attempts.length < 3) context.fail(one, new Error('not yet'));
    });
    await bus.subscribeBatch('a', seen.handle, { maxSize: 3, maxWaitMs: 5, retry: soon });
    await publishAll(bus, 'a', keys(3));
    await expect.poll(() => seen.batches).toEqual([[0, 1, 2], [1], [1]]);
    expect(attempts).toEqual([1, 2, 3]);
    await expect.poll(() => bus.stats()).toMatchObject({ delivered: 3, failed: 0, retried: 2, pending: 0 });
  });

  test('becomes a dead letter by itself after its last attempt', async () => {
    const bus = await startedBus();
    const letters: Event[] = [];
    await bus.subscribe('_dead.a', (event) => void letters.push(event));
    const seen = recorded((events, context) => {
      for (const event of events) if (event.payload === 1) context.fail(event, new TypeError('never'));
    });
    await bus.subscribeBatch('a', seen.handle, { maxSize: 3, maxWaitMs: 5, retry: soon, deadLetter: true });
    await publishAll(bus, 'a', keys(3));
    await expect.poll(() => letters.length).toBe(1);
    expect(letters[0]).toMatchObject({ payload: 1 });
    expect(deadLetterOf(letters[0]!)).toMatchObject({
      attempts: 3,
      error: { name: 'TypeError', message: 'never' },
    });
    expect(seen.batches).toEqual([[0, 1, 2], [1], [1]]);
  });

  test('holds later events of its key, also those of its batch, which come again after it without losing an attempt', async () => {
    const bus = await startedBus();
    const attempts: [unknown, number][] = [];
    let failures = 0;
    const seen = recorded((events, context) => {
      for (const event of events) {
        attempts.push([event.payload, context.attemptOf(event)]);
        if (event.payload === 1 && failures++ < 1) context.fail(event, new Error('once'));
      }
    });
    await bus.subscribeBatch('a', seen.handle, { maxSize: 6, maxWaitMs: 5, retry: soon });
    await publishAll(bus, 'a', ['k', 'k', 'k', 'other', undefined, 'k']);
    await expect.poll(() => bus.stats().delivered).toBe(6);
    expect(seen.batches).toEqual([[0, 1, 2, 3, 4, 5], [1], [2, 5]]);
    expect(attempts.slice(6)).toEqual([
      [1, 2],
      [2, 1],
      [5, 1],
    ]);
  });

  test('does not hold events of other keys that are queued behind its batch', async () => {
    const bus = await startedBus();
    const seen = recorded(([first], context) => {
      if (first!.payload === 0) context.fail(first!, new Error('away'));
    });
    const retry = { attempts: 2, backoff: { initialMs: 600_000, jitter: 'none' } } as const;
    const subscription = await bus.subscribeBatch('a', seen.handle, { maxSize: 2, retry, ...patient });
    subscription.pause();
    await publishAll(bus, 'a', ['k', 'k', 'other', 'other']);
    subscription.resume();
    await expect
      .poll(() => seen.batches)
      .toEqual([
        [0, 1],
        [2, 3],
      ]);
    await subscription.cancel();
  });

  test('does not hold later events of its key if it is not retried', async () => {
    const bus = await startedBus();
    const seen = recorded(([first], context) => context.fail(first!, new UnrecoverableError('never')));
    await bus.subscribeBatch('a', seen.handle, { maxSize: 3, maxWaitMs: 5, deadLetter: true });
    await publishAll(bus, 'a', keys(3, 'k'));
    await expect.poll(() => bus.stats()).toMatchObject({ pending: 0 });
    expect(seen.batches).toEqual([[0, 1, 2]]);
    expect(bus.stats()).toMatchObject({ failed: 1, deadLettered: 1 });
  });
});

test('a batch handler that throws fails each event with its error, except those failed with another', async () => {
  const bus = await startedBus();
  const letters: [unknown, string | undefined][] = [];
  await bus.subscribe('_dead.a', (event) => {
    letters.push([event.payload, deadLetterOf(event)?.error.message]);
  });
  const handle = async (events: readonly Event[], context: BatchContext): Promise<void> => {
    context.fail(events[1]!, new Error('its own'));
    throw new Error('all');
  };
  await bus.subscribeBatch('a', handle, { maxSize: 3, retry: false, deadLetter: true, ...patient });
  await publishAll(bus, 'a', keys(3, 'k'));
  await expect
    .poll(() => letters)
    .toEqual([
      [0, 'all'],
      [1, 'its own'],
      [2, 'all'],
    ]);
});

test('after a failure of a whole batch of one key, its events do not stay in batches of one', async () => {
  const bus = await startedBus();
  let isBroken = true;
  const seen = recorded(() => {
    if (!isBroken) return;
    isBroken = false;
    throw new Error('once');
  });
  await bus.subscribeBatch('a', seen.handle, { maxSize: 4, maxWaitMs: 5, retry: soon });
  await publishAll(bus, 'a', keys(4, 'k'));
  await expect.poll(() => bus.stats().delivered).toBe(4);
  expect(seen.batches).toEqual([[0, 1, 2, 3], [0], [1, 2, 3]]);
});

test('handlerTimeoutMs applies to a batch: its signal aborts, and all of its events fail', async () => {
  const bus = await startedBus();
  const outcomes: string[] = [];
  bus.observeAttempts(({ outcome }: AttemptData) => void outcomes.push(outcome));
  let reason: unknown;
  let late: (() => void) | undefined;
  const handle = (_: readonly Event[], context: BatchContext): Promise<void> =>
    new Promise((resolve) => {
      context.signal.addEventListener('abort', () => (reason = context.signal.reason as unknown));
      late = resolve;
    });
  const options = { maxSize: 2, ...patient, handlerTimeoutMs: 20, retry: false, deadLetter: false } as const;
  await bus.subscribeBatch('a', handle, options);
  await publishAll(bus, 'a', keys(2));
  await expect.poll(() => bus.stats()).toMatchObject({ failed: 2, pending: 0 });
  expect(reason).toMatchObject({ code: 'HANDLER_TIMEOUT' });
  late!();
  expect(outcomes).toEqual(['timeout', 'timeout']);
});

test('stop() gives up a batch after its timeout, and its late result is ignored', async () => {
  const bus = await startedBus();
  let late: (() => void) | undefined;
  let signal: AbortSignal | undefined;
  await bus.subscribeBatch(
    'a',
    (_, context) => {
      signal = context.signal;
      return new Promise<void>((resolve) => (late = resolve));
    },
    { maxSize: 2, ...patient },
  );
  await publishAll(bus, 'a', keys(2, 'k'));
  await vi.waitUntil(() => late !== undefined);
  await expect(bus.stop({ timeoutMs: 10 })).rejects.toMatchObject({ code: 'SHUTDOWN_TIMEOUT' });
  expect(signal!.aborted).toBe(true);
  late!();
  await new Promise(setImmediate);
  expect(bus.stats()).toMatchObject({ enqueued: 2, dropped: 2, delivered: 0, pending: 0 });
});

describe('handle middleware', () => {
  test('runs around each event of a batch, and decides about it alone', async () => {
    const log: string[] = [];
    const bus = await startedBus({
      engine: 'durable-memory',
      middleware: {
        handle: [
          async ({ event, context, next }) => {
            log.push(`before ${String(event.payload)}.${context.attempt}`);
            if (event.payload === 1) return;
            if (event.payload === 2) throw new Error('refused');
            await next(event.payload === 3 ? { ...event, payload: 'changed' } : event);
            log.push(`after ${String(event.payload)}`);
          },
        ],
      },
    });
    const seen = recorded();
    await bus.subscribeBatch('a', seen.handle, { maxSize: 4, ...patient, retry: false, deadLetter: false });
    await publishAll(bus, 'a', keys(4));
    await expect.poll(() => bus.stats()).toMatchObject({ delivered: 4, failed: 1, pending: 0 });
    expect(seen.batches).toEqual([[0, 'changed']]);
    expect(log).toEqual(['before 0.1', 'before 1.1', 'before 2.1', 'before 3.1', 'after 0', 'after 3']);
  });

  test('gets the error with which the handler fails its event', async () => {
    const errors: unknown[] = [];
    const bus = await startedBus({
      engine: 'durable-memory',
      middleware: {
        handle: [
          async ({ event, next }) => {
            try {
              await next();
            } catch (error) {
              errors.push([event.payload, (error as Error).message]);
            }
          },
        ],
      },
    });
    const handle = ([first]: readonly Event[], context: BatchContext): void =>
      context.fail(first!, new Error('bad'));
    await bus.subscribeBatch('a', handle, { maxSize: 2, ...patient });
    await publishAll(bus, 'a', keys(2));
    await expect.poll(() => bus.stats()).toMatchObject({ delivered: 2, failed: 0 });
    expect(errors).toEqual([[0, 'bad']]);
  });

  test('does not lend its context to the batch handler', async () => {
    const stored = new AsyncLocalStorage<unknown>();
    const tenants = tenantMiddleware({ required: false });
    const bus = await startedBus({
      engine: 'durable-memory',
      middleware: {
        ...tenants,
        handle: [...tenants.handle!, ({ event, next }) => stored.run(event.payload, () => next())],
      },
    });
    const seen: unknown[] = [];
    await bus.subscribe('out', ({ metadata }) => void seen.push(metadata));
    await bus.subscribeBatch(
      'in',
      async () => {
        seen.push(stored.getStore());
        await bus.publish('out', 1);
      },
      { maxSize: 2, ...patient },
    );
    for (const tenant of ['acme', 'globex']) await forTenant(bus, tenant).publish('in', 1);
    // No tenant, no correlation and no cause: the handler handles events of several.
    await expect.poll(() => seen).toEqual([undefined, {}]);
  });
});

test('an event that its schema refuses is not in the batch, and the others are', async () => {
  const bus = createEventBus({
    logger: quietLogger(),
    engine: 'durable-memory',
    schemas: { a: z.object({ n: z.string().transform(Number) }) },
  });
  onTestFinished(() => bus.stop());
  await bus.start();
  const seen: number[][] = [];
  await bus.subscribeBatch('a', (events) => void seen.push(events.map(({ payload }) => payload.n)), {
    maxSize: 3,
    ...patient,
    deadLetter: false,
  });
  const engine = bus.router.engine(bus.router.engineNames()[0]!);
  for (const n of ['1', 2, '3']) await engine.publish({ topic: 'a', payload: { n } });
  await expect.poll(() => bus.stats()).toMatchObject({ delivered: 3, failed: 1 });
  expect(seen).toEqual([[1, 3]]);
});

test('a batch handler needs no worker of the engine', async () => {
  const bus = await startedBus({ engines: [{ name: 'm', engine: memoryEngine({ workerCount: 1 }) }] });
  let open: (() => void) | undefined;
  await bus.subscribeAsync('busy', () => new Promise<void>((resolve) => (open = resolve)));
  await bus.publish('busy', 0);
  await vi.waitUntil(() => open !== undefined);
  const seen = recorded();
  await bus.subscribeBatch('a', seen.handle, { maxSize: 2, ...patient });
  await publishAll(bus, 'a', keys(2));
  await expect.poll(() => seen.batches).toEqual([[0, 1]]);
  open!();
});

test('a batch subscription that spans several engines handles one batch of each engine at a time', async () => {
  const bus = await startedBus({
    engines: [
      { name: 'one', engine: memoryEngine() },
      { name: 'two', engine: memoryEngine() },
    ],
    routing: [{ topics: ['b'], engine: 'two' }],
  });
  const open: (() => void)[] = [];
  const engines: string[] = [];
  const seen = recorded((_, { engine }) => {
    engines.push(engine);
    return new Promise<void>((resolve) => open.push(resolve));
  });
  await bus.subscribeBatch('*', seen.handle, { maxSize: 2, ...patient });
  for (const topic of ['a', 'b']) await publishAll(bus, topic, keys(4));
  await expect.poll(() => engines.toSorted()).toEqual(['one', 'two']);
  expect(seen.batches).toEqual([
    [0, 1],
    [0, 1],
  ]);
  for (const resolve of open.splice(0)) resolve();
  await expect.poll(() => engines.toSorted()).toEqual(['one', 'one', 'two', 'two']);
  for (const resolve of open.splice(0)) resolve();
  await expect.poll(() => bus.stats()).toMatchObject({ delivered: 8, pending: 0 });
});

test('a batch subscription of a tenant gets only the events of that tenant', async () => {
  const bus = await startedBus();
  const seen = recorded();
  await forTenant(bus, 'acme').subscribeBatch('a', seen.handle, { maxSize: 2, ...patient });
  for (const [n, tenant] of ['acme', 'globex', 'acme'].entries())
    await forTenant(bus, tenant).publish('a', n);
  await expect.poll(() => seen.batches).toEqual([[0, 2]]);
});

test('a batch handler can publish to its own topic and stop the bus', async () => {
  const bus = await startedBus();
  const seen = recorded(async (events) => {
    if (events[0]!.payload === 0) for (let n = 10; n < 14; n++) await bus.publish('a', n);
    else await bus.stop();
  });
  await bus.subscribeBatch('a', seen.handle, { maxSize: 2, maxWaitMs: 5, bufferSize: 2 });
  await publishAll(bus, 'a', keys(2));
  await expect.poll(async () => (await bus.health()).state).toBe('stopped');
  expect(seen.batches[0]).toEqual([0, 1]);
});

test('refuses invalid options and arguments', async () => {
  const bus = await startedBus();
  const handle = (): void => {};
  for (const options of [{ maxSize: 0 }, { maxSize: 1.5 }, { maxWaitMs: -1 }, { maxWaitMs: '5' }])
    await expect(bus.subscribeBatch('a', handle, options as never)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    });
  await expect(bus.subscribeBatch('a', handle, { concurrency: 2 } as never)).rejects.toMatchObject({
    code: 'UNKNOWN_OPTION',
  });
  await expect(bus.subscribeBatch('a', undefined as never)).rejects.toMatchObject({
    code: 'HANDLER_REQUIRED',
  });
  await expect(bus.subscribeBatch('a.*.b', handle)).rejects.toMatchObject({ code: 'INVALID_TOPIC' });
  const subscription = await bus.subscribeBatch('a', handle);
  expect(() => subscription.setConcurrency(2)).toThrow(/one event or batch at a time/);
});

test('fail() refuses an event that is not of the batch, and one of a batch that is over', async () => {
  const bus = await startedBus();
  const errors: unknown[] = [];
  let kept: [Event, BatchContext] | undefined;
  const attempt = (event: Event, context: BatchContext): void => {
    try {
      context.fail(event, new Error('x'));
    } catch (error) {
      errors.push((error as { code: string }).code);
    }
  };
  await bus.subscribeBatch(
    'a',
    ([event], context) => {
      attempt({ ...event! }, context);
      kept = [event!, context];
    },
    { maxSize: 1 },
  );
  await bus.publish('a', 1);
  await expect.poll(() => bus.stats()).toMatchObject({ delivered: 1, failed: 0 });
  attempt(...kept!);
  expect(errors).toEqual(['INVALID_OPTION', 'INVALID_OPTION']);
});
