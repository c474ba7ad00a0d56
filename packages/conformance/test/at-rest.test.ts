import { createEngine, createEvent } from '@polybus/core/engine';
import { memoryEngine } from '@polybus/engine-memory';
import { describe, expect, test } from 'vitest';
import { type ConformanceCase, type EngineUnderTest, runCase } from '../src/index.ts';

/** A case without checks of its own: the check after each case has to find the remaining events. */
function leaving(run: ConformanceCase['run']): ConformanceCase {
  return { name: 'leaves something', behaviour: 'test', rules: [], run };
}

/** Takes an event in for each of its subscriptions, and forgets to have it handled, but on the topic `gated`. */
const forgetful: EngineUnderTest = () =>
  createEngine({
    type: 'forgetful',
    capabilities: { durable: true, groups: false, replay: false, partitioned: false, crossProcess: false },
    open: async () => ({
      close: async () => {},
      send: () => {},
      listen: async ({ pattern }, receiver) => {
        receiver.enqueue(createEvent({ topic: pattern, payload: 1 }), {
          settled: () => {},
          release: () => true,
        });
        if (pattern.endsWith('gated')) receiver.run();
        return { stop: async () => {} };
      },
    }),
  });

describe('after each case', () => {
  test('a stuck event fails the case, although the case itself passes', async () => {
    const one = leaving(async (t) => {
      const engine = await t.started();
      await engine.subscribe(t.topic(), () => {});
    });
    await runCase(one, () => memoryEngine());
    await expect(runCase(one, forgetful, { deadlineMs: 200 })).rejects.toThrow(
      'progress of the pending deliveries: no handler runs',
    );
  });

  test.each([
    ['a handler that waited at a gate', 1],
    ['an event between two attempts', 2],
  ])('a stuck event next to %s fails the case, too', async (_, attempts) => {
    const one = leaving(async (t) => {
      const engine = await t.started();
      const gate = t.gate();
      const begun = t.record((_event, { attempt }) => {
        if (attempts === 1) return gate.opened;
        if (attempt < attempts) throw new Error('once');
        return undefined;
      });
      const retry = { attempts, backoff: { initialMs: 20, jitter: 'none' } } as const;
      await engine.subscribe(t.topic('stuck'), () => {});
      await engine.subscribe(t.topic('gated'), begun.handler, { retry });
      await begun.begins(1);
    });
    await expect(runCase(one, forgetful, { deadlineMs: 200 })).rejects.toThrow(
      'progress of the pending deliveries: no handler runs',
    );
  });

  test('events that wait behind a blocked handler or between two attempts pass', async () => {
    const one = leaving(async (t) => {
      const engine = await t.started();
      const gate = t.gate();
      const gated = t.record(() => gate.opened);
      await engine.subscribeAsync(t.topic('gated'), gated.handler, { bufferSize: 100, concurrency: 1 });
      const failing = t.record(() => {
        throw new Error('once');
      });
      const retry = { attempts: 2, backoff: { initialMs: 100, jitter: 'none' } } as const;
      await engine.subscribeAsync(t.topic('failing'), failing.handler, { bufferSize: 100, retry });
      for (let n = 0; n < 3; n++) await t.publish(engine, t.topic('gated'), n);
      for (let n = 0; n < 3; n++) await t.publish(engine, t.topic('failing'), n, { key: 'one' });
      await Promise.all([gated.begins(1), failing.ends(1)]);
      expect(engine.stats()).toMatchObject({ pending: 6, running: 1, deferred: 1 });
    });
    await runCase(one, () => memoryEngine());
  });
});
