import assert from 'node:assert/strict';
import type { Subscription } from '@polybus/core';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { turns } from '../../support/eventually.ts';
import { rejectsWith } from '../../support/rejects.ts';
import { assertSubscribers, assertTopics, roomy } from '../../support/subscriptions.ts';
import { numbers } from '../../support/numbers.ts';

/** How a subscription ends. */
export const unsubscribeCases: readonly ConformanceCase[] = defineCases('unsubscribe', [
  {
    name: 'a cancelled subscription gets no further events, and other subscriptions continue',
    rules: [5],
    async run(t) {
      const engine = await t.started();
      const [leaving, staying] = [t.record<number>(), t.record<number>()];
      const subscription = await engine.subscribe(t.topic(), leaving.handler, roomy);
      await engine.subscribe(t.topic(), staying.handler, roomy);
      await t.publish(engine, t.topic(), 1);
      await leaving.ends(1);
      await t.within(engine.unsubscribe(subscription), 'unsubscribe to resolve');
      await t.publish(engine, t.topic(), 2);
      await staying.ends(2);
      await t.quiet(engine);
      leaving.assertOrder([1], 'the subscription that was cancelled');
      staying.assertOrder([1, 2], 'the other subscription');
    },
  },
  {
    name: 'unsubscribe() and cancel() do the same and are idempotent, called in sequence or concurrently',
    rules: [5],
    async run(t) {
      const engine = await t.started();
      const subscription = await engine.subscribe(t.topic(), () => {});
      const calls = [subscription.cancel(), engine.unsubscribe(subscription), subscription.cancel()];
      await t.within(Promise.all(calls), 'every call to resolve');
      await t.within(engine.unsubscribe(subscription), 'unsubscribe to resolve');
      await t.within(subscription[Symbol.asyncDispose](), 'dispose to resolve');
      assertSubscribers(engine, t.topic(), 0);
    },
  },
  {
    name: 'unsubscribe() waits for the running handler, and every event queued behind it is accounted for',
    rules: [4, 7],
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const seen = t.record<number>(() => gate.opened);
      const subscription = await engine.subscribe(t.topic(), seen.handler, roomy);
      const publishing = [1, 2, 3].map((n) => engine.publish({ topic: t.topic(), payload: n }));
      await seen.begins(1);
      await t.eventually(() => engine.stats().enqueued === 3, 'three events to be accepted');
      let isOver = false;
      const ending = subscription.cancel().then(() => (isOver = true));
      await turns(5);
      assert.equal(isOver, false, 'cancel resolved while its handler was running');
      gate.open();
      await t.within(ending, 'cancel to resolve');
      await t.within(Promise.all(publishing), 'publish to resolve');
      seen.assertOrder([1]);
      const { enqueued, delivered, dropped, released, pending } = engine.stats();
      assert.deepEqual({ delivered, pending }, { delivered: 1, pending: 0 });
      assert.equal(enqueued + released, 3);
      assert.equal(dropped + released, 2);
    },
  },
  {
    name: 'a handler that cancels its own subscription and awaits that gets no second event',
    rules: [3, 5],
    async run(t) {
      const engine = await t.started();
      for (const kind of ['subscribe', 'subscribeAsync'] as const) {
        const topic = t.topic(kind);
        const seen = t.record(async (_, { subscription }) => {
          await subscription.cancel();
          await engine.unsubscribe(subscription);
        });
        const options = kind === 'subscribe' ? roomy : { ...roomy, concurrency: 1 };
        await engine[kind](topic, seen.handler, options);
        const publishing = [1, 2, 3].map((n) => engine.publish({ topic, payload: n }));
        await seen.ends(1);
        await t.within(Promise.all(publishing), 'publish to resolve');
        await t.quiet(engine);
        seen.assertOrder([1]);
        assertSubscribers(engine, topic, 0);
      }
    },
  },
  {
    name: 'two handlers can each cancel the subscription of the other concurrently and await that',
    rules: [3, 5],
    async run(t) {
      const engine = await t.started();
      const subscriptions: Subscription[] = [];
      const both = t.gate();
      const seen = t.record(async (_, { subscription }) => {
        if (seen.running === 2) both.open();
        await both.opened;
        await subscriptions.find(({ id }) => id !== subscription.id)!.cancel();
      });
      for (const name of ['a', 'b'])
        subscriptions.push(await engine.subscribe(t.topic(name), seen.handler, roomy));
      const publishing = ['a', 'b'].map((name) => engine.publish({ topic: t.topic(name), payload: 1 }));
      await seen.ends(2);
      await t.within(Promise.all(publishing), 'publish to resolve');
      assert.equal(engine.subscriberCount(t.topic('a')) + engine.subscriberCount(t.topic('b')), 0);
    },
  },
  {
    name: 'a handler can cancel the subscription of another handler that awaits it in a publish',
    rules: [3, 5],
    async run(t) {
      const engine = await t.started();
      const outer = t.record(() => engine.publish({ topic: t.topic('inner'), payload: 1 }));
      const subscription = await engine.subscribe(t.topic('outer'), outer.handler, roomy);
      const inner = t.record(() => subscription.cancel());
      await engine.subscribe(t.topic('inner'), inner.handler, roomy);
      await t.publish(engine, t.topic('outer'), 1);
      await inner.ends(1);
      await outer.ends(1);
      assertSubscribers(engine, t.topic('outer'), 0);
    },
  },
  {
    name: 'aborting the signal passed to subscribe() cancels that subscription and no other',
    rules: [5],
    async run(t) {
      const engine = await t.started();
      const controller = new AbortController();
      const [leaving, staying] = [t.record<number>(), t.record<number>()];
      await engine.subscribe(t.topic(), leaving.handler, { ...roomy, signal: controller.signal });
      await engine.subscribe(t.topic(), staying.handler, roomy);
      await t.publish(engine, t.topic(), 1);
      await leaving.ends(1);
      controller.abort();
      await t.eventually(() => engine.subscriberCount(t.topic()) === 1, 'the subscription to be gone');
      await t.publish(engine, t.topic(), 2);
      await staying.ends(2);
      await t.quiet(engine);
      leaving.assertOrder([1], 'the subscription that was cancelled');
      const later = t.record<number>();
      await engine.subscribe(t.topic(), later.handler, roomy);
      await t.publish(engine, t.topic(), 3);
      await later.ends(1);
      later.assertOrder([3], 'the later subscription');
    },
  },
  {
    name: 'a new subscription gets every event after ten subscriptions were created and cancelled concurrently',
    rules: [1, 5],
    async run(t) {
      const engine = await t.started();
      await Promise.all(
        Array.from({ length: 10 }, async (_, n) => {
          const kind = n % 2 === 0 ? 'subscribe' : 'subscribeAsync';
          const subscription = await engine[kind](n % 3 === 0 ? t.topic('*') : t.topic(), () => {}, roomy);
          if (n > 3) await turns(n);
          await subscription.cancel();
        }),
      );
      assertTopics(engine, []);
      const seen = t.record<number>();
      await engine.subscribe(t.topic(), seen.handler, roomy);
      await t.publishNumbers(engine, t.topic(), 50);
      await seen.ends(50);
      seen.assertOrder(numbers(50));
    },
  },
  {
    name: 'unsubscribe() refuses a subscription of another engine and a value that is not a subscription',
    rules: [12],
    async run(t) {
      const engine = await t.started();
      const other = await t.started();
      const subscription = await other.subscribe(t.topic(), () => {});
      await rejectsWith(() => engine.unsubscribe(subscription), 'SUBSCRIPTION_NOT_FOUND', subscription.id);
      for (const nothing of [undefined, null, 'sub-1', {}, 1] as never[]) {
        await rejectsWith(() => engine.unsubscribe(nothing), 'INVALID_SUBSCRIPTION');
      }
      assertSubscribers(other, t.topic(), 1);
    },
  },
]);
