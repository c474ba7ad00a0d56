import assert from 'node:assert/strict';
import type { Engine } from '@polybus/core/engine';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { rejectsWith } from '../../support/rejects.ts';
import { assertConserved } from '../../support/stats.ts';
import { attempts, roomy } from '../../support/subscriptions.ts';

/** The limit that the engine of the case about health is made with, in milliseconds. */
const stallLimitMs = 100;

function pending(engine: Engine): number {
  return engine.stats().pending;
}

/** Subscriptions that are paused, and whose concurrency changes while they run. */
export const pauseCases: readonly ConformanceCase[] = defineCases('pauses', [
  {
    name: 'a paused subscription starts no handler until resume(), and then gets each event once and in order',
    rules: [3, 7],
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const seen = t.record<number>(({ payload }) => (payload === 0 ? gate.opened : undefined));
      const other = t.record<number>();
      const subscription = await engine.subscribeAsync(t.topic(), seen.handler, { ...roomy, concurrency: 1 });
      await engine.subscribeAsync(t.topic(), other.handler, roomy);
      assert.equal(subscription.isPaused, false);
      await t.publish(engine, t.topic(), 0, { key: 'k' });
      await seen.begins(1);
      subscription.pause();
      subscription.pause();
      assert.equal(subscription.isPaused, true);
      gate.open();
      await seen.ends(1);
      for (let n = 1; n < 10; n++) await t.publish(engine, t.topic(), n, { key: 'k' });
      await other.ends(10);
      await t.eventually(() => pending(engine) === 9, 'nine events to wait');
      await t.quiet(engine);
      seen.assertCalls(1, 'the handler of a paused subscription');
      assertConserved(engine.stats());
      subscription.resume();
      assert.equal(subscription.isPaused, false);
      await seen.ends(10);
      await t.quiet(engine);
      seen.assertOrder([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    },
  },
  {
    name: 'a sync subscription that its own handler pauses retries and continues after resume()',
    rules: [3, 6],
    async run(t) {
      const engine = await t.started();
      const other = t.record<number>();
      const seen = t.record<number>((_, { attempt, subscription }) => {
        if (attempt > 1) return;
        subscription.pause();
        throw new Error('the dependency is away');
      });
      const subscription = await engine.subscribe(t.topic(), seen.handler, { ...roomy, retry: attempts(2) });
      await engine.subscribeAsync(t.topic(), other.handler, roomy);
      const publishing = [0, 1].map((n) => engine.publish({ topic: t.topic(), payload: n, key: 'k' }));
      await seen.ends(1);
      await other.ends(2);
      await t.eventually(() => engine.stats().deferred === 0, 'the retry to be due');
      await t.quiet(engine);
      seen.assertCalls(1, 'the handler of a paused subscription');
      assert.equal(subscription.isPaused, true);
      subscription.resume();
      await seen.ends(2);
      await t.eventually(() => subscription.isPaused, 'the second event to pause it');
      subscription.resume();
      await seen.ends(4);
      await t.within(Promise.all(publishing), 'publish to resolve');
      seen.assertOrder([0, 0, 1, 1]);
    },
  },
  {
    name: 'health() stays up while a subscription is paused for longer than the stall limit',
    rules: [13],
    async run(t) {
      const engine = await t.started({ stallLimitMs });
      const [seen, hanging] = [t.record<number>(), t.gate()];
      const watched = t.record(() => hanging.opened);
      const paused = await engine.subscribeAsync(t.topic('paused'), seen.handler, {
        ...roomy,
        concurrency: 1,
      });
      await engine.subscribeAsync(t.topic('hanging'), watched.handler, { ...roomy, concurrency: 1 });
      paused.pause();
      for (let n = 0; n < 3; n++) await t.publish(engine, t.topic('paused'), n);
      await t.eventually(() => pending(engine) === 3, 'three events to wait');
      // These have waited for a shorter time than the events of the paused subscription when health() reports them.
      for (let n = 0; n < 2; n++) await t.publish(engine, t.topic('hanging'), n);
      let error: string | undefined;
      await t.eventually(async () => {
        ({ error } = await engine.health());
        return error?.includes(t.topic('hanging')) === true;
      }, 'health() to report the hanging handler');
      assert.ok(error?.includes(t.topic('paused')) === false, `health() reports the pause: ${error}`);
      hanging.open();
      await t.eventually(async () => (await engine.health()).status === 'up', 'health to be up');
      paused.resume();
      await seen.ends(3);
    },
  },
  {
    name: 'setConcurrency() changes how many handlers of a subscription run at once, and keeps the order per key',
    rules: [3],
    async run(t) {
      const engine = await t.started();
      const gates = Array.from({ length: 6 }, () => t.gate());
      const seen = t.record<number>(({ payload }) => gates[payload]?.opened);
      const subscription = await engine.subscribeAsync(t.topic(), seen.handler, { ...roomy, concurrency: 1 });
      const keys = ['a', 'a', 'b', 'c', 'd', 'e'];
      for (const [n, key] of keys.entries()) await t.publish(engine, t.topic(), n, { key });
      await seen.begins(1);
      await t.eventually(() => pending(engine) === 6, 'six events to be there');
      subscription.setConcurrency(3);
      await seen.begins(3);
      await t.quiet(engine);
      seen.assertCalls(3);
      // Events of different keys come in any order. The second event of a key waits for the first.
      const begun = seen.payloads;
      assert.ok(!begun.includes(1), 'the handler got the second event of a key while the first was running');
      subscription.setConcurrency(1);
      for (const n of begun.slice(0, 2)) gates[n]!.open();
      await seen.ends(2);
      await t.quiet(engine);
      seen.assertCalls(3, 'the handler, although one call is still running,');
      for (const gate of gates) gate.open();
      await seen.ends(6);
      seen.assertKeyOrder();
    },
  },
  {
    name: 'setConcurrency() refuses what subscribe() refuses',
    rules: [10],
    async run(t) {
      const engine = await t.started();
      const sync = await engine.subscribe(t.topic(), () => {});
      const async = await engine.subscribeAsync(t.topic(), () => {});
      for (const concurrency of [0, -1, 1.5, Number.NaN, '2' as never])
        await rejectsWith(async () => async.setConcurrency(concurrency), 'INVALID_OPTION');
      await rejectsWith(async () => sync.setConcurrency(2), 'INVALID_OPTION', 'subscribeAsync');
      sync.setConcurrency(1);
    },
  },
  {
    name: 'stop() of an engine with a paused subscription does not wait for its queued events, and counts them',
    rules: [7, 8],
    async run(t) {
      const engine = await t.started();
      const [sync, async] = [t.record<number>(), t.record<number>()];
      const first = await engine.subscribe(t.topic(), sync.handler, roomy);
      const second = await engine.subscribeAsync(t.topic(), async.handler, { ...roomy, concurrency: 1 });
      first.pause();
      second.pause();
      const publishing = [0, 1, 2].map((n) => engine.publish({ topic: t.topic(), payload: n, key: 'k' }));
      await t.eventually(() => pending(engine) === 6, 'six events to wait');
      await t.within(engine.stop(), 'stop to resolve');
      await t.within(Promise.all(publishing), 'publish to resolve');
      sync.assertCalls(0, 'the handler of the sync subscription');
      async.assertCalls(0, 'the handler of the async subscription');
      const { pending: left, dropped, released } = engine.stats();
      assert.equal(left, 0);
      assert.equal(
        dropped + released,
        6,
        `the events are dropped or released: ${JSON.stringify(engine.stats())}`,
      );
      assertConserved(engine.stats());
    },
  },
  {
    name: 'cancel() of a paused group member passes its queued events to another member',
    rules: [4, 5],
    needs: { groups: true },
    async run(t) {
      const engine = await t.started();
      const group = t.group();
      const [away, seen] = [t.record<number>(), t.record<number>()];
      const paused = await engine.subscribeAsync(t.topic(), away.handler, {
        ...roomy,
        group,
        concurrency: 1,
      });
      paused.pause();
      for (let n = 0; n < 5; n++) await t.publish(engine, t.topic(), n, { key: 'k' });
      await t.eventually(() => pending(engine) === 5, 'five events to wait');
      await t.within(paused.cancel(), 'cancel to resolve');
      await engine.subscribe(t.topic(), seen.handler, { ...roomy, group });
      await seen.ends(5);
      seen.assertOrder([0, 1, 2, 3, 4]);
      away.assertCalls(0, 'the handler of the paused subscription');
    },
  },
]);
