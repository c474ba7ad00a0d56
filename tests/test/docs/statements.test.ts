import { createEventBus } from '@polybus/core';
import { expect, onTestFinished, test, vi } from 'vitest';
import { quietLogger } from '../bus/quiet-logger.ts';

// Statements of docs/scheduling-details.md that no other test proves.

test('a loop handles the events that wait behind its current event when the bus stops, and ends', async () => {
  const logger = quietLogger();
  const bus = createEventBus({ engine: 'durable-memory', logger });
  await bus.start();
  const events = bus.events('a');
  await events.ready;
  for (const n of [1, 2, 3]) await bus.publish('a', n);
  const seen: unknown[] = [];
  let stopped: Promise<void> | undefined;
  for await (const { payload } of events) {
    stopped ??= bus.stop();
    seen.push(payload);
  }
  await stopped;
  expect(seen).toEqual([1, 2, 3]);
  expect(bus.stats()).toMatchObject({ enqueued: 3, delivered: 3, dropped: 0, pending: 0 });
});

test('a stream without a reader does not delay the stop of its bus', async () => {
  const bus = createEventBus({ engine: 'durable-memory', logger: quietLogger() });
  await bus.start();
  const events = bus.events('a');
  await events.ready;
  await bus.publish('a', 1);
  await bus.stop({ timeoutMs: 5000 });
  expect(await events.next()).toEqual({ done: true, value: undefined });
  expect(bus.stats()).toMatchObject({ delivered: 0, dropped: 1, pending: 0 });
});

test('a retry that is due after eventTTL is made', async () => {
  const bus = createEventBus({ engine: 'memory', eventTTL: '5ms', logger: quietLogger() });
  await bus.start();
  const attempts: number[] = [];
  const retry = { attempts: 2, backoff: { initialMs: 20, jitter: 'none' } } as const;
  await bus.subscribe(
    'a',
    (_, { attempt }) => {
      attempts.push(attempt);
      if (attempt === 1) throw new Error('not yet');
    },
    { retry },
  );
  await bus.publish('a', 1);
  expect(attempts).toEqual([1, 2]);
  expect(bus.stats()).toMatchObject({ delivered: 1, dropped: 0, failed: 0 });
  await bus.stop();
});

test('an event that expired in its buffer no longer holds back its publisher, and takes no room', async () => {
  // The clock alone: it is moved on by hand, and timers are the real ones.
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const config = { eventTTL: '1h', maxEventQueueSize: 2 } as const;
  const bus = createEventBus({ ...config, logger: quietLogger() });
  await bus.start();
  const handled: unknown[] = [];
  let open!: () => void;
  const gate = new Promise<void>((resolve) => (open = resolve));
  await bus.subscribe('a', async ({ payload }) => {
    handled.push(payload);
    if (payload === 'slow') await gate;
  });

  const published = [bus.publish('a', 'slow'), bus.publish('a', 'late')];
  vi.advanceTimersByTime(3_600_001);
  open();
  await Promise.all(published);
  expect(bus.stats()).toMatchObject({ enqueued: 2, delivered: 1, dropped: 1, pending: 0 });

  await Promise.all([bus.publish('a', 3), bus.publish('a', 4)]);
  expect(handled).toEqual(['slow', 3, 4]);
  await bus.stop();
});
