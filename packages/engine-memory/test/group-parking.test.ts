import { memoryEngine } from '@polybus/engine-memory';
import { expect, onTestFinished, test } from 'vitest';

test('publish does not wait for an event of a group that has to wait until a leaving member has settled its key', async () => {
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
