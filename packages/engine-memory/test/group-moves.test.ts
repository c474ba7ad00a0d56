import { durableMemoryEngine } from '@polybus/engine-memory';
import { expect, onTestFinished, test } from 'vitest';
import { HeldHandler } from './held-handler.ts';

test("a handler that awaits a publish continues when the published event moves from a leaving member to the handler's own subscription", async () => {
  const engine = durableMemoryEngine();
  onTestFinished(() => engine.stop({ timeoutMs: 1000 }).catch(() => {}));
  await engine.start();
  const held = new HeldHandler();
  const leaving = await engine.subscribe('step.two', held.handle, { group: 'steps' });
  // While its handler is held, so is the key: a second event of the key waits for this member.
  const first = engine.publish({ topic: 'step.two', payload: 'first', key: 'k' });
  const seen: unknown[] = [];
  const handler = async ({ topic, payload }: { topic: string; payload: unknown }): Promise<void> => {
    if (topic === 'step.one') await engine.publish({ topic: 'step.two', payload: 'second', key: 'k' });
    seen.push(payload);
  };
  await engine.subscribe('step.*', handler, { group: 'steps' });
  const outer = engine.publish({ topic: 'step.one', payload: 'outer' });
  const left = leaving.cancel();
  held.open();
  await Promise.all([left, first, outer]);
  await expect.poll(() => seen).toEqual(['outer', 'second']);
  expect(held.got).toEqual(['first']);
});
