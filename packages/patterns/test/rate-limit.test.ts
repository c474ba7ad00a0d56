import type { Event } from '@polybus/core';
import { until } from '@polybus/testbed/engine';
import { expect, test } from 'vitest';
import { rateLimit } from '../src/index.ts';
import { startBus } from './engines.ts';

const start = (config: Record<string, unknown> = {}): ReturnType<typeof startBus> =>
  startBus({ engine: 'durable-memory', config });

/** Returns the largest number of starts within a period. */
function mostWithin(perMs: number, starts: readonly number[]): number {
  return Math.max(
    ...starts.map((first) => starts.filter((one) => one >= first && one < first + perMs).length),
  );
}

test('at most so many handlers start in any period, in the order of the events', async () => {
  const bus = await start();
  const starts: number[] = [];
  const handled: unknown[] = [];
  const handler = rateLimit(
    ({ payload }: Event) => {
      starts.push(performance.now());
      handled.push(payload);
    },
    { events: 3, perMs: 100 },
  );
  await bus.subscribeAsync('order.placed', handler, { concurrency: 5 });
  const numbers = Array.from({ length: 10 }, (_, i) => i);
  for (const i of numbers) await bus.publish('order.placed', i);
  await expect.poll(() => handled).toEqual(numbers);
  // The handler reads the clock just after its start was counted.
  expect(mostWithin(99, starts)).toBe(3);
  expect(starts.at(-1)! - starts[0]!).toBeGreaterThan(299);
});

test('each key has a limit of its own, and an event that waits does not delay other keys', async () => {
  const bus = await start();
  const handled: string[] = [];
  const handler = rateLimit(({ key }: Event) => handled.push(key ?? 'none'), {
    events: 1,
    perMs: 3_600_000,
    key: ({ key }) => key,
  });
  await bus.subscribeAsync('order.placed', handler, { concurrency: 5 });
  for (const key of ['a', 'a', 'b', 'b', undefined, undefined])
    await bus.publish('order.placed', {}, { key });
  await bus.publish('order.placed', {}, { key: 'c' });
  await expect.poll(() => handled).toEqual(['a', 'b', 'none', 'c']);
  expect(bus.stats().pending).toBe(3);
});

test('an event that waits takes no worker from other subscriptions', async () => {
  const bus = await start({ workerCount: 1 });
  const handled: string[] = [];
  const limited = rateLimit(() => handled.push('limited'), { events: 1, perMs: 3_600_000 });
  await bus.subscribeAsync('order.placed', limited);
  await bus.subscribeAsync('order.paid', () => handled.push('other'));
  await bus.publish('order.placed', {});
  await bus.publish('order.placed', {});
  await until('the second event waits', () => bus.stats().running === 1);
  await bus.publish('order.paid', {});
  await expect.poll(() => handled).toEqual(['limited', 'other']);
});

test('the wait ends when the attempt is aborted, and uses nothing of the limit', async () => {
  const bus = await start();
  const handled: string[] = [];
  const handler = rateLimit(({ payload }: Event) => handled.push(String(payload)), {
    events: 1,
    perMs: 500,
  });
  // Each attempt ends long before the period does: if it used a part of the limit, no later attempt would get one.
  const retry = { attempts: 1000, backoff: { initialMs: 1, maxMs: 1 } };
  await bus.subscribeAsync('order.placed', handler, { retry, concurrency: 3, handlerTimeoutMs: 50 });
  for (const payload of ['a', 'b', 'c']) await bus.publish('order.placed', payload);
  await until('all events are handled', () => bus.stats().delivered === 3);
  expect(handled.toSorted()).toEqual(['a', 'b', 'c']);
  expect(bus.stats().retried).toBeGreaterThan(2);
});

test('a key keeps its limit while there are many other keys', async () => {
  const bus = await start();
  const handled: unknown[] = [];
  const handler = rateLimit(({ key }: Event) => handled.push(key), {
    events: 1,
    perMs: 3_600_000,
    key: ({ key }) => key,
  });
  await bus.subscribeAsync('order.placed', handler, { concurrency: 2 });
  const keys = Array.from({ length: 3000 }, (_, i) => `k${i}`);
  for (const key of [...keys, 'k0', 'last']) await bus.publish('order.placed', {}, { key });
  await until('the last event is handled', () => handled.at(-1) === 'last');
  expect(handled).toEqual([...keys, 'last']);
});

test('invalid arguments are refused', () => {
  const refused = (options: object, code: string, handler: unknown = () => {}): void => {
    expect(() => rateLimit(handler as () => void, options as never)).toThrow(
      expect.objectContaining({ code }),
    );
  };
  const valid = { events: 1, perMs: 1 };
  refused(valid, 'HANDLER_REQUIRED', 'no function');
  refused({ ...valid, events: 0.5 }, 'INVALID_OPTION');
  refused({ ...valid, perMs: 0 }, 'INVALID_OPTION');
  refused({ ...valid, key: 'customer' }, 'INVALID_OPTION');
  refused({ ...valid, rate: 1 }, 'UNKNOWN_OPTION');
});
