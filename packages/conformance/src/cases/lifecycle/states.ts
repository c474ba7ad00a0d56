import assert from 'node:assert/strict';
import type { Subscription } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import type { CaseContext } from '../../case-context.ts';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertSubscribers, assertTopics } from '../../support/subscriptions.ts';
import { turns } from '../../support/eventually.ts';
import { rejectsWith } from '../../support/rejects.ts';
import { assertCounts, countNames } from '../../support/stats.ts';

const anything = () => {};

/** Makes a subscription on another engine. */
async function foreignTo(t: CaseContext): Promise<Subscription> {
  return (await t.started()).subscribe(t.topic('foreign'), anything);
}

/** Asserts that these calls are refused. They are made at the same time, because the state may change quickly. */
async function assertRefuses(engine: Engine, topic: string, foreign: Subscription): Promise<void> {
  const code = 'EVENT_BUS_NOT_STARTED';
  await Promise.all([
    rejectsWith(() => engine.publish({ topic, payload: 1 }), code, 'publish'),
    rejectsWith(() => engine.subscribe(topic, anything), code, 'subscribe'),
    rejectsWith(() => engine.subscribeAsync(topic, anything), code, 'subscribe'),
    rejectsWith(() => engine.unsubscribe(foreign), code, 'unsubscribe'),
    engine.lag === undefined ? undefined : rejectsWith(() => engine.lag!(), code, 'lag'),
  ]);
}

async function assertClosed(engine: Engine, topic: string, foreign: Subscription): Promise<void> {
  const before = engine.stats();
  await assertRefuses(engine, topic, foreign);
  // An invalid call is reported in every state.
  await rejectsWith(() => engine.publish({ topic: 'no topic', payload: 1 }), 'INVALID_TOPIC');
  await rejectsWith(() => engine.subscribe(topic, undefined as never), 'HANDLER_REQUIRED', topic);
  // There is nothing to drain, so this resolves.
  await engine.drain?.();
  assert.deepEqual(engine.stats(), before);
}

/** Asserts that the calls which work in every state work. */
async function assertObservable(engine: Engine, state: string): Promise<void> {
  assertTopics(engine, []);
  assertSubscribers(engine, 'some.topic', 0);
  assert.deepEqual(Object.keys(engine.stats()).sort(), [...countNames].sort());
  const health = await engine.health();
  assert.equal(health.status, 'down');
  assert.equal(health.state, state);
  assert.equal(typeof health.error, 'string');
}

/** Every operation in every state. */
export const stateCases: readonly ConformanceCase[] = defineCases('states', [
  {
    name: 'a new engine refuses to publish and subscribe, answers health(), stats() and topics(), and stops at once',
    rules: [12],
    async run(t) {
      const engine = await t.engine();
      await assertClosed(engine, t.topic(), await foreignTo(t));
      await assertObservable(engine, 'new');
      await t.within(engine.stop(), 'stop to resolve');
      await t.within(engine[Symbol.asyncDispose](), 'dispose to resolve');
      await t.within(engine.start(), 'start to resolve');
      await t.publish(engine, t.topic(), 1);
    },
  },
  {
    name: 'a starting engine refuses to publish and subscribe until start() resolves',
    rules: [12],
    async run(t) {
      const [engine, foreign] = [await t.engine(), await foreignTo(t)];
      const starting = engine.start();
      const refusing = assertRefuses(engine, t.topic(), foreign);
      assertTopics(engine, []);
      assertSubscribers(engine, t.topic(), 0);
      assert.deepEqual(Object.keys(engine.stats()).sort(), [...countNames].sort());
      await refusing;
      await t.within(starting, 'start to resolve');
      const seen = t.record();
      await engine.subscribe(t.topic(), seen.handler);
      await t.publish(engine, t.topic(), 1);
      await seen.ends(1);
      assert.equal((await engine.health()).status, 'up');
      assert.equal((await engine.health()).state, 'started');
    },
  },
  {
    name: 'a stopping engine refuses new calls from outside but lets running handlers publish',
    rules: [8, 12],
    async run(t) {
      const [engine, foreign] = [await t.started(), await foreignTo(t)];
      const gate = t.gate();
      let published: unknown = 'not yet';
      const seen = t.record(async () => {
        await gate.opened;
        published = await engine
          .publish({ topic: t.topic('from-handler'), payload: 1 })
          .catch((error: unknown) => error);
      });
      await engine.subscribe(t.topic(), seen.handler);
      const publishing = engine.publish({ topic: t.topic(), payload: 1 });
      await seen.begins(1);
      const stopping = engine.stop();
      await assertRefuses(engine, t.topic(), foreign);
      await rejectsWith(() => engine.subscribe(t.topic(), anything), 'EVENT_BUS_NOT_STARTED', 'stopping');
      const health = await engine.health();
      assert.equal(health.state, 'stopping');
      assertCounts(engine, { pending: 1 });
      assert.equal(typeof engine.subscriberCount(t.topic()), 'number');
      gate.open();
      await t.within(stopping, 'stop to resolve');
      await t.within(publishing, 'publish to resolve');
      assert.equal(published, undefined, 'a running handler could not publish');
    },
  },
  {
    name: 'a subscribe() call that overlaps stop() resolves or rejects with EVENT_BUS_NOT_STARTED',
    rules: [8, 12],
    async run(t) {
      const { groups } = (await t.engine()).capabilities;
      for (const turn of [0, 1, 5]) {
        const engine = await t.started();
        const subscribing = ['a', 'b.*', 'c', 'd.*'].map((name, n) => {
          const options = groups && n > 1 ? { group: t.group() } : {};
          return engine.subscribe(t.topic(name), () => {}, options);
        });
        const outcomes = Promise.all(
          subscribing.map((one) =>
            one.then(
              () => 'subscribed',
              (error: { code?: string; message: string }) => error.code ?? error.message,
            ),
          ),
        );
        await turns(turn);
        await t.within(engine.stop(), 'stop to resolve');
        for (const outcome of await t.within(outcomes, 'subscribe to settle'))
          assert.match(outcome, /^(subscribed|EVENT_BUS_NOT_STARTED)$/);
      }
    },
  },
  {
    name: 'a stopped engine refuses to publish and subscribe, has no subscriptions, and answers health(), stats() and topics()',
    rules: [12],
    async run(t) {
      const engine = await t.started();
      const subscription = await engine.subscribe(t.topic(), anything);
      await engine.subscribeAsync(t.topic('*'), anything);
      await t.within(engine.stop(), 'stop to resolve');
      await assertClosed(engine, t.topic(), await foreignTo(t));
      await assertObservable(engine, 'stopped');
      await t.within(subscription.cancel(), 'cancel of an ended subscription to resolve');
      await t.within(engine.unsubscribe(subscription), 'unsubscribe of an ended subscription to resolve');
    },
  },
  {
    name: 'a stopped engine can be started again: earlier subscriptions are gone, and new subscriptions work',
    rules: [8, 12],
    async run(t) {
      const engine = await t.started();
      const old = t.record();
      await engine.subscribe(t.topic(), old.handler);
      await t.publish(engine, t.topic(), 'first life');
      await old.ends(1);
      for (let life = 2; life <= 3; life++) {
        await t.within(engine.stop(), 'stop to resolve');
        await t.within(engine.start(), 'start to resolve');
        const seen = t.record();
        await engine.subscribe(t.topic(), seen.handler);
        await t.publish(engine, t.topic(), `life ${life}`);
        await seen.ends(1);
        seen.assertOrder([`life ${life}`], 'the subscription made after the restart');
      }
      old.assertOrder(['first life'], 'the subscription made before the restart');
      assert.equal(engine.stats().delivered, 3, 'a restart must not reset the counters');
    },
  },
  {
    name: 'start() and stop() are idempotent, called in sequence or concurrently',
    rules: [8],
    async run(t) {
      const engine = await t.engine();
      await t.within(Promise.all([engine.start(), engine.start(), engine.start()]), 'start to resolve');
      await t.within(engine.start(), 'start to resolve');
      const seen = t.record();
      await engine.subscribe(t.topic(), seen.handler);
      await t.within(engine.start(), 'start to resolve');
      await t.publish(engine, t.topic(), 1);
      await seen.ends(1);
      await t.within(Promise.all([engine.stop(), engine.stop(), engine.stop()]), 'stop to resolve');
      await t.within(engine.stop(), 'stop to resolve');
      await t.within(engine.stop({ timeoutMs: 0 }), 'stop to resolve');
    },
  },
  {
    name: 'stop() during start() ends stopped, and start() during stop() ends started',
    rules: [8],
    async run(t) {
      const engine = await t.engine();
      const starting = engine.start();
      const stopping = engine.stop();
      await t.within(Promise.allSettled([starting, stopping]), 'both to settle');
      assert.equal((await engine.health()).status, 'down');
      await rejectsWith(() => engine.publish({ topic: t.topic(), payload: 1 }), 'EVENT_BUS_NOT_STARTED');
      await t.within(engine.start(), 'start to resolve');
      const again = [engine.stop(), engine.start()];
      await t.within(Promise.all(again), 'both to resolve');
      assert.equal((await engine.health()).status, 'up');
      const seen = t.record();
      await engine.subscribe(t.topic(), seen.handler);
      await t.publish(engine, t.topic(), 1);
      await seen.ends(1);
    },
  },
  {
    name: '`await using` cancels a subscription and stops an engine',
    rules: [8],
    async run(t) {
      const engine = await t.started();
      const seen = t.record();
      {
        await using subscription = await engine.subscribe(t.topic(), seen.handler);
        assert.equal(subscription.topic, t.topic());
        await t.publish(engine, t.topic(), 1);
        await seen.ends(1);
      }
      assertSubscribers(engine, t.topic(), 0);
      {
        await using other = await t.started();
        assert.equal((await other.health()).status, 'up');
        await engine[Symbol.asyncDispose]();
      }
      assert.equal((await engine.health()).state, 'stopped');
    },
  },
]);
