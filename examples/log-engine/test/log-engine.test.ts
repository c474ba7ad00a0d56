import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEventBus } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { expect, onTestFinished, test, vi } from 'vitest';
import { LogBroker, engines, logEngine } from '../src/index.ts';

/** The folder of a broker of the test's own. */
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'log-engine-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function startedAt(folder: string, stallLimitMs = 30_000): Promise<Engine> {
  const engine = logEngine({ folder, stallLimitMs });
  await engine.start();
  return engine;
}

test('lag() counts the unsettled events of a group in each partition, and describe() counts what is read', async () => {
  await using engine = await startedAt(newFolder());
  let finish!: () => void;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  await engine.subscribe('order.placed', () => finished, { group: 'billing' });
  for (const payload of [1, 2, 3]) await engine.publish({ topic: 'order.placed', payload });
  await expect.poll(() => engine.stats().pending).toBe(3);
  const behind = async () => ((await engine.lag?.()) ?? []).filter(({ events }) => events !== 0);
  expect(await behind()).toEqual([{ topic: 'order.placed', group: 'billing', partition: '0', events: 3 }]);
  expect((await engine.health()).details).toEqual({ subscriptions: 1, partitions: 8 });
  finish();
  await expect.poll(behind).toEqual([]);
});

test('health() names a partition that cannot be read', async () => {
  const folder = newFolder();
  await using engine = await startedAt(folder, 20);
  await engine.publish({ topic: 'order.placed', payload: 1 });
  await engine.subscribe('order.placed', () => {}, { from: 'earliest' });
  await expect.poll(() => engine.stats().delivered).toBe(1);
  const broker = new LogBroker(folder);
  broker.setUp(false);
  const health = async () => (await engine.health()).error;
  await expect.poll(health).toContain('partition 0 of "order.placed"');
  broker.setUp(true);
  await expect.poll(health).toBeUndefined();
});

test('a member that stops while the broker is down leaves its partitions to others once the broker is back', async () => {
  const folder = newFolder();
  const broker = new LogBroker(folder);
  const [leaving, staying] = [await startedAt(folder), await startedAt(folder)];
  const subscription = await leaving.subscribe('a', () => {}, { group: 'g' });
  const seen: unknown[] = [];
  await staying.subscribe('a', ({ payload }) => void seen.push(payload), { group: 'g' });
  broker.setUp(false);
  await subscription.cancel();
  broker.setUp(true);
  for (const key of ['a', 'b', 'c', 'd']) await staying.publish({ topic: 'a', payload: key, key });
  await expect.poll(() => new Set(seen)).toEqual(new Set(['a', 'b', 'c', 'd']));
  await Promise.all([leaving.stop(), staying.stop()]);
});

test('a member whose lease expires starts no event, and another member handles its events', async () => {
  const folder = newFolder();
  const engine = logEngine({ folder, leaseTimeout: 300 });
  await engine.start();
  let finish!: () => void;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const [first, second]: [unknown[], unknown[]] = [[], []];
  const handler = async ({ payload }: { payload: unknown }): Promise<void> => {
    first.push(payload);
    await finished;
  };
  const options = { group: 'g', concurrency: 1 };
  const expiring = await engine.subscribeAsync('a', handler, options);
  const renew = Reflect.get(LogBroker.prototype, 'renew');
  let isCutOff = false;
  const spy = vi.spyOn(LogBroker.prototype, 'renew').mockImplementation(function (
    this: LogBroker,
    group,
    member,
  ) {
    if (isCutOff && member === expiring.id) throw new Error('the broker does not answer');
    return renew.call(this, group, member);
  });
  onTestFinished(() => spy.mockRestore());
  for (const payload of [1, 2]) await engine.publish({ topic: 'a', payload });
  await expect.poll(() => engine.stats().pending).toBe(2);
  isCutOff = true;
  await engine.subscribeAsync('a', ({ payload }) => void second.push(payload), options);
  await expect.poll(() => second).toEqual([1, 2]);
  finish();
  isCutOff = false;
  await expect.poll(() => engine.stats().pending).toBe(0);
  expect(first).toEqual([1]);
  await engine.publish({ topic: 'a', payload: 3 });
  await expect.poll(() => [...first, ...second].filter((n) => n === 3)).toEqual([3]);
  await engine.stop();
});

test('a configuration with mistakes is refused with its path, and a bus finds the engine in a factory', async () => {
  const context = { name: 'events', path: 'engines[0].config' };
  expect(() => engines['log']?.({ leaseTimout: '5s' }, context)).toThrow(
    /engines\[0\]\.config\.leaseTimout.*did you mean "leaseTimeout"/,
  );
  await using bus = createEventBus({
    engines: [{ name: 'events', engine: engines['log']!({ folder: newFolder() }, context) }],
  });
  await bus.start();
  expect((await bus.health()).status).toBe('up');
});
