import { durableMemoryEngine } from '@polybus/engine-memory';
import { expect, onTestFinished, test } from 'vitest';
import { HeldHandler } from './held-handler.ts';

test('a subscription that ends takes no more events from its waiting room, and its group gets them in order', async () => {
  const engine = durableMemoryEngine({ maxEventQueueSize: 1 });
  onTestFinished(() => engine.stop({ timeoutMs: 1000 }).catch(() => {}));
  await engine.start();
  const held = new HeldHandler();
  await engine.subscribe('full', held.handle);
  const leaving: unknown[] = [];
  const leaver = await engine.subscribe('*', ({ payload }) => void leaving.push(payload), { group: 'g' });
  // This event waits for room in its topic, and the events behind it wait for their turn.
  const published = [engine.publish({ topic: 'full', payload: 0 })];
  for (const payload of [1, 2, 3]) published.push(engine.publish({ topic: 'free', payload, key: 'k' }));
  const staying: unknown[] = [];
  await engine.subscribe('*', ({ payload }) => void staying.push(payload), { group: 'g' });
  await leaver.cancel();
  held.open();
  await Promise.all(published);
  await expect.poll(() => staying).toEqual([0, 1, 2, 3]);
  expect(leaving).toEqual([]);
});

test.each([
  ['a subscription that has ended', 'a', true],
  ['a subscription to another topic', 'b', false],
] as const)(
  'health() reports events that wait for their key, which the handler of %s has',
  async (_, topic, isLeaving) => {
    const engine = durableMemoryEngine({ stallLimitMs: 50 });
    onTestFinished(() => engine.stop({ timeoutMs: 1000 }).catch(() => {}));
    await engine.start();
    const held = new HeldHandler();
    const owner = await engine.subscribe('a', held.handle, { group: 'g' });
    const first = engine.publish({ topic: 'a', payload: 1, key: 'k' });
    const left = isLeaving ? owner.cancel() : undefined;
    const staying: unknown[] = [];
    await engine.subscribe(topic, ({ payload }) => void staying.push(payload), { group: 'g' });
    await engine.publish({ topic, payload: 2, key: 'k', id: 'waiting' });
    const waits = /event waiting in the group "g" .* 1 event\(s\) of its key wait for the handler of/;
    await expect
      .poll(() => engine.health(), { timeout: 10_000 })
      .toMatchObject({ status: 'degraded', error: expect.stringMatching(waits) as string });
    held.open();
    await Promise.all([first, left]);
    await expect.poll(() => staying).toEqual([2]);
    expect(await engine.health()).toMatchObject({ status: 'up' });
  },
);

test('health() does not report events that wait for their key, which a paused subscription has', async () => {
  const engine = durableMemoryEngine({ stallLimitMs: 50 });
  onTestFinished(() => engine.stop({ timeoutMs: 1000 }).catch(() => {}));
  await engine.start();
  const handled: unknown[] = [];
  const handle = ({ payload }: { payload: unknown }): void => void handled.push(payload);
  const owner = await engine.subscribeAsync('a', handle, { group: 'g' });
  await engine.subscribeAsync('b', handle, { group: 'g' });
  owner.pause();
  await engine.publish({ topic: 'a', payload: 1, key: 'k' });
  await engine.publish({ topic: 'b', payload: 2, key: 'k' });
  // Waits for a shorter time than the event of the paused subscription when health() reports it.
  const held = new HeldHandler();
  await engine.subscribeAsync('c', held.handle, { concurrency: 1 });
  for (const payload of [3, 4]) await engine.publish({ topic: 'c', payload });
  await expect.poll(async () => (await engine.health()).error, { timeout: 10_000 }).toContain('"c"');
  expect((await engine.health()).error).not.toContain('group "g"');
  held.open();
  owner.resume();
  await expect.poll(() => handled).toEqual([1, 2]);
});

test('health() is up while an event waits for the attempts of another event of its key, which progress', async () => {
  const engine = durableMemoryEngine({ stallLimitMs: 1000 });
  onTestFinished(() => engine.stop({ timeoutMs: 1000 }).catch(() => {}));
  await engine.start();
  const retry = { attempts: 15, backoff: { initialMs: 100, factor: 1, jitter: 'none' } } as const;
  const statuses = new Set<string>();
  const handle = async (): Promise<void> => {
    statuses.add((await engine.health()).status);
    throw new Error('not yet');
  };
  await engine.subscribeAsync('a', handle, { group: 'g', retry });
  const staying: unknown[] = [];
  await engine.subscribe('b', ({ payload }) => void staying.push(payload), { group: 'g' });
  await engine.publish({ topic: 'a', payload: 1, key: 'k' });
  await engine.publish({ topic: 'b', payload: 2, key: 'k' });
  await expect.poll(() => staying, { timeout: 10_000 }).toEqual([2]);
  expect(statuses).toEqual(new Set(['up']));
});
