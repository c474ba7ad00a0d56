import type { Event } from '@polybus/core';
import { until } from '@polybus/testbed/engine';
import { expect, test } from 'vitest';
import { type DedupeStore, MemoryDedupeStore, dedupe } from '../../src/index.ts';
import { startBus } from '../engines.ts';

const start = (): ReturnType<typeof startBus> => startBus({ engine: 'durable-memory' });
const fastRetry = { retry: { attempts: 3, backoff: { initialMs: 1 } } };

/** A store whose method fails. */
function failing(method: keyof DedupeStore): MemoryDedupeStore {
  return Object.assign(new MemoryDedupeStore(), {
    [method]: () => Promise.reject(new Error('the store is down')),
  });
}

test('an event that is published twice with one id is handled once, and both are acknowledged', async () => {
  const bus = await start();
  const handled: unknown[] = [];
  const handler = dedupe((event: Event) => handled.push(event.payload), { store: new MemoryDedupeStore() });
  await bus.subscribe('order.placed', handler, { group: 'mails' });
  await bus.publish('order.placed', 'first', { id: 'o1' });
  await bus.publish('order.placed', 'again', { id: 'o1' });
  await bus.publish('order.placed', 'other', { id: 'o2' });
  expect(handled).toEqual(['first', 'other']);
  expect(bus.stats()).toMatchObject({ delivered: 3, failed: 0 });
});

test('groups, topics and subscriptions without a group handle an event once each; a scope joins them', async () => {
  const bus = await start();
  const handled: string[] = [];
  const store = new MemoryDedupeStore();
  const as = (name: string, scope?: string): ReturnType<typeof dedupe> =>
    dedupe((event: Event) => handled.push(`${name} ${event.topic}`), { store, scope });
  await bus.subscribe('order.*', as('mails'), { group: 'mails' });
  await bus.subscribe('order.*', as('stock'), { group: 'stock' });
  await bus.subscribe('order.*', as('plain'));
  await bus.subscribe('order.*', as('also plain'));
  await bus.subscribe('order.*', as('audit', 'audit'), { group: 'audit-1' });
  await bus.subscribe('order.*', as('audit', 'audit'), { group: 'audit-2' });
  for (const topic of ['order.placed', 'order.paid', 'order.placed'])
    await bus.publish(topic, {}, { id: 'o1' });
  const each = ['also plain', 'audit', 'mails', 'plain', 'stock'];
  expect(handled.toSorted()).toEqual(each.flatMap((name) => [`${name} order.paid`, `${name} order.placed`]));
});

test('a handler that fails is not remembered: the next attempt and a later duplicate call it', async () => {
  const bus = await start();
  const attempts: number[] = [];
  let isBroken = true;
  const handler = dedupe(
    (_: Event, { attempt }) => {
      attempts.push(attempt);
      if (isBroken) throw new Error('broken');
    },
    { store: new MemoryDedupeStore() },
  );
  await bus.subscribe('order.placed', handler, { group: 'mails', ...fastRetry });
  await bus.publish('order.placed', {}, { id: 'o1' });
  expect(attempts).toEqual([1, 2, 3]);
  isBroken = false;
  await bus.publish('order.placed', {}, { id: 'o1' });
  await bus.publish('order.placed', {}, { id: 'o1' });
  expect(attempts).toEqual([1, 2, 3, 1]);
});

test('a duplicate waits for the attempt that has the event, and calls the handler if that attempt fails', async () => {
  const bus = await start();
  let fail: (error: Error) => void = () => {};
  const firstCall = new Promise<void>((_, reject) => (fail = reject));
  let extensions = 0;
  class CountingStore extends MemoryDedupeStore {
    override extend(...args: Parameters<MemoryDedupeStore['extend']>): Promise<void> {
      extensions++;
      return super.extend(...args);
    }
  }
  const calls: string[] = [];
  const handler = dedupe(
    async ({ payload }: Event) => {
      calls.push(String(payload));
      if (payload === 'first') await firstCall;
    },
    { store: new CountingStore(), claimMs: 30 },
  );
  await bus.subscribeAsync('order.placed', handler, { group: 'mails', retry: false });
  await bus.publish('order.placed', 'first', { id: 'o1' });
  await bus.publish('order.placed', 'duplicate', { id: 'o1' });
  await expect.poll(() => bus.stats().running).toBe(2);
  // Three extensions are the duration of a claim.
  await expect.poll(() => extensions).toBeGreaterThan(20);
  expect(calls).toEqual(['first']);
  fail(new Error('broken'));
  await expect.poll(() => calls).toEqual(['first', 'duplicate']);
  await expect.poll(() => bus.stats()).toMatchObject({ delivered: 2, failed: 1 });
});

test('the wait of a duplicate ends when its attempt times out', async () => {
  const bus = await start();
  const store = new MemoryDedupeStore();
  await store.claim('mails:order.placed:o1', 'a process that died', 60_000);
  const handler = dedupe(() => {}, { store });
  const options = { group: 'mails', retry: false, deadLetter: false, handlerTimeoutMs: 20 } as const;
  await bus.subscribeAsync('order.placed', handler, options);
  await bus.publish('order.placed', {}, { id: 'o1' });
  await expect.poll(() => bus.stats()).toMatchObject({ failed: 1, pending: 0 });
});

test('a claim is not extended for a handler whose attempt has timed out', async () => {
  const bus = await start();
  const attempts: number[] = [];
  const handler = dedupe(
    async (_: Event, { attempt }) => {
      attempts.push(attempt);
      if (attempt === 1) await new Promise(() => {});
    },
    { store: new MemoryDedupeStore(), claimMs: 30 },
  );
  const retry = { attempts: 100, backoff: { initialMs: 1, maxMs: 1 } };
  await bus.subscribeAsync('order.placed', handler, { group: 'mails', handlerTimeoutMs: 50, retry });
  await bus.publish('order.placed', {}, { id: 'o1' });
  await expect.poll(() => attempts.length).toBe(2);
});

test('if the store fails before the handler, the attempt fails and the handler is not called', async () => {
  const bus = await start();
  let calls = 0;
  await bus.subscribe(
    'order.placed',
    dedupe(() => calls++, { store: failing('claim') }),
    {
      group: 'mails',
      ...fastRetry,
    },
  );
  await bus.publish('order.placed', {});
  expect(bus.stats()).toMatchObject({ failed: 1, retried: 2 });
  expect(calls).toBe(0);
});

test.each(['complete', 'release', 'extend'] as const)(
  'if the store fails in %s, the outcome of the handler counts, and a warning says what can happen',
  async (method) => {
    const bus = await start();
    const warnings: unknown[] = [];
    const logger = { warn: (...warning: unknown[]) => warnings.push(warning) };
    let calls = 0;
    const handler = dedupe(
      async () => {
        calls++;
        if (method === 'release') throw new RangeError('of the handler');
        if (method === 'extend') await until('a warning', () => warnings.length > 0);
      },
      { store: failing(method), claimMs: 30, logger },
    );
    await bus.subscribe('order.placed', handler, { group: 'mails', retry: false });
    await bus.publish('order.placed', {}, { id: 'o1' });
    expect(calls).toBe(1);
    expect(bus.stats()).toMatchObject({ delivered: 1, failed: method === 'release' ? 1 : 0 });
    const fields = { topic: 'order.placed', eventId: 'o1', error: new Error('the store is down') };
    expect(warnings[0]).toEqual([expect.stringContaining('The dedupe store failed: '), fields]);
  },
);

test('invalid arguments are refused', () => {
  const store = new MemoryDedupeStore();
  const handler = (): void => {};
  const refusals: readonly [() => unknown, string][] = [
    [() => dedupe(undefined as never, { store }), 'HANDLER_REQUIRED'],
    [() => dedupe(handler, {} as never), 'INVALID_OPTION'],
    [() => dedupe(handler, { store, ttlMs: 0 }), 'INVALID_OPTION'],
    [() => dedupe(handler, { store, claimMs: Infinity }), 'INVALID_OPTION'],
    [() => dedupe(handler, { store, scope: 'a:b' }), 'INVALID_OPTION'],
    [() => dedupe(handler, { store, ttl: 5 } as never), 'UNKNOWN_OPTION'],
  ];
  for (const [call, code] of refusals) expect(call).toThrow(expect.objectContaining({ code }));
});
