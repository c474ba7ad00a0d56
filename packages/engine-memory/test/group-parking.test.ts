import { durableMemoryEngine, memoryEngine } from '@polybus/engine-memory';
import { expect, onTestFinished, test } from 'vitest';
import { HeldHandler } from './held-handler.ts';

test('publish does not wait for a group event that waits until a leaving member has settled its key', async () => {
  const engine = memoryEngine({});
  onTestFinished(() => engine.stop({ timeoutMs: 1000 }).catch(() => {}));
  await engine.start();
  let open!: () => void;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const seen: unknown[] = [];
  const leaving = await engine.subscribe('a', () => gate, { group: 'g' });
  const first = engine.publish({ topic: 'a', payload: 1, key: 'k' });
  await engine.subscribe('a', ({ payload }) => void seen.push(payload), { group: 'g' });
  const cancelling = leaving.cancel();
  await engine.publish({ topic: 'a', payload: 2, key: 'k' });
  expect(seen).toEqual([]);
  open();
  await Promise.all([first, cancelling]);
  await expect.poll(() => seen).toEqual([2]);
});

/** A group whose member for `first` is held by an event of the key `k`, so that what comes on `second` under that key waits. */
async function withAKeyThatWaits(
  onSecond: (payload: unknown, publish: (payload: unknown, key?: string) => Promise<void>) => void,
): Promise<{ held: HeldHandler; publish: (payload: unknown, key?: string) => Promise<void> }> {
  const engine = durableMemoryEngine({ maxEventQueueSize: 2 });
  onTestFinished(() => engine.stop({ timeoutMs: 1000 }).catch(() => {}));
  await engine.start();
  const publish = (payload: unknown, key?: string): Promise<void> =>
    engine.publish({ topic: 'second', payload, key });
  const held = new HeldHandler();
  await engine.subscribe('first', held.handle, { group: 'g' });
  await engine.subscribe('second', ({ payload }) => onSecond(payload, publish), { group: 'g' });
  void engine.publish({ topic: 'first', payload: 0, key: 'k' });
  return { held, publish };
}

test('events of a group that wait for their key do not count towards the topic limit of other keys', async () => {
  const seen: unknown[] = [];
  const { held, publish } = await withAKeyThatWaits((payload) => void seen.push(payload));
  for (const payload of [1, 2, 3]) await publish(payload, 'k');
  void publish('of no key');
  await expect.poll(() => seen).toEqual(['of no key']);
  held.open();
  await expect.poll(() => seen).toEqual(['of no key', 1, 2, 3]);
});

test('an event that a handler publishes with its key comes after the events that already wait for that key', async () => {
  const seen: unknown[] = [];
  const { held, publish } = await withAKeyThatWaits((payload, publishNext) => {
    seen.push(payload);
    if (payload === 1) void publishNext(3, 'k');
  });
  for (const payload of [1, 2]) await publish(payload, 'k');
  held.open();
  await expect.poll(() => seen).toEqual([1, 2, 3]);
});
