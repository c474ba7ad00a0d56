import assert from 'node:assert/strict';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { turns } from '../../support/eventually.ts';
import { assertSubscribers, attempts, roomy } from '../../support/subscriptions.ts';

/** Handlers that publish. A handler must never wait for itself. */
export const nestedPublishCases: readonly ConformanceCase[] = defineCases('nested-publish', [
  {
    name: 'a sync handler can publish to its own topic twice and await both',
    rules: [3],
    async run(t) {
      const engine = await t.started();
      const seen = t.record<number>(async (event) => {
        if (event.payload > 4) return;
        await engine.publish({ topic: t.topic(), payload: event.payload * 2 + 1 });
        await engine.publish({ topic: t.topic(), payload: event.payload * 2 + 2 });
      });
      await engine.subscribe(t.topic(), seen.handler, roomy);
      await t.publish(engine, t.topic(), 0);
      await seen.ends(11);
      seen.assertOrder([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    },
  },
  {
    name: 'an event that a handler publishes carries its correlation and its cause, over any number of handlers',
    rules: [2],
    async run(t) {
      const engine = await t.started();
      const [first, second, last] = [
        t.record<string>(() => engine.publish({ topic: t.topic('second'), payload: 'b', id: `${t.id}-b` })),
        t.record<string>(() =>
          engine.publish({ topic: t.topic('last'), payload: 'c', metadata: { causationid: 'own' } }),
        ),
        t.record<string>(),
      ];
      await engine.subscribe(t.topic('first'), first.handler, roomy);
      await engine.subscribeAsync(t.topic('second'), second.handler, roomy);
      await engine.subscribe(t.topic('last'), last.handler, roomy);
      await engine.publish({ topic: t.topic('first'), payload: 'a', id: `${t.id}-a` });
      await last.ends(1);
      const correlationid = `${t.id}-a`;
      assert.deepEqual(first.events[0]!.metadata, {}, 'an event that no handler published has no cause');
      assert.deepEqual(second.events[0]!.metadata, { correlationid, causationid: `${t.id}-a` });
      assert.deepEqual(
        last.events[0]!.metadata,
        { correlationid, causationid: 'own' },
        'a value that the publisher set is kept',
      );
    },
  },
  {
    name: 'sync handlers of two topics can publish to each other and await it',
    rules: [3],
    async run(t) {
      const engine = await t.started();
      const bounce = (to: string) =>
        t.record<number>(async ({ payload }) => {
          if (payload < 40) await engine.publish({ topic: to, payload: payload + 1 });
        });
      const [ping, pong] = [bounce(t.topic('pong')), bounce(t.topic('ping'))];
      await engine.subscribe(t.topic('ping'), ping.handler, roomy);
      await engine.subscribe(t.topic('pong'), pong.handler, roomy);
      await t.publish(engine, t.topic('ping'), 0);
      await t.eventually(() => ping.ended + pong.ended === 41, 'the ball to come to rest');
    },
  },
  {
    name: 'chains of sync handlers that publish into each other concurrently all finish',
    rules: [3],
    async run(t) {
      const engine = await t.started();
      const chain = (next: string) =>
        t.record<number>(async ({ payload }) => {
          await turns(1);
          if (payload > 0) await engine.publish({ topic: next, payload: payload - 1 });
        });
      const chains = [chain(t.topic('b')), chain(t.topic('c')), chain(t.topic('a'))];
      for (const [n, name] of ['a', 'b', 'c'].entries()) {
        await engine.subscribe(t.topic(name), chains[n]!.handler, roomy);
      }
      const starts = ['a', 'b', 'c', 'a', 'b', 'c'].map((name) => t.publish(engine, t.topic(name), 10));
      await t.within(Promise.all(starts), 'every chain to end');
      await t.eventually(
        () => chains.reduce((sum, { ended }) => sum + ended, 0) === 66,
        'every event to be handled',
      );
    },
  },
  {
    name: 'every sync subscription gets an event before the event that a handler publishes in response to it',
    rules: [3],
    async run(t) {
      const engine = await t.started();
      const first = t.record<string>(async (event) => {
        if (event.payload === 'e1') await engine.publish({ topic: t.topic(), payload: 'e2' });
      });
      const second = t.record<string>(() => turns(2));
      const third = t.record<string>();
      await engine.subscribe(t.topic(), first.handler, roomy);
      await engine.subscribe(t.topic(), second.handler, roomy);
      await engine.subscribe(`${t.id}.*`, third.handler, roomy);
      await t.publish(engine, t.topic(), 'e1');
      for (const seen of [first, second, third]) {
        await seen.ends(2);
        seen.assertOrder(['e1', 'e2'], 'every subscription');
      }
    },
  },
  {
    name: 'a handler can publish to its own topic without awaiting the call',
    rules: [3],
    async run(t) {
      const engine = await t.started();
      const publishing: Promise<void>[] = [];
      const seen = t.record<number>(({ payload }) => {
        if (payload < 5) publishing.push(engine.publish({ topic: t.topic(), payload: payload + 1 }));
      });
      await engine.subscribe(t.topic(), seen.handler, roomy);
      await t.publish(engine, t.topic(), 0);
      await seen.ends(6);
      await t.within(Promise.all(publishing), 'publish to resolve');
      seen.assertOrder([0, 1, 2, 3, 4, 5]);
    },
  },
  {
    name: 'async handlers that occupy every worker can each await a publish to sync and async subscriptions',
    rules: [3],
    async run(t) {
      const engine = await t.started();
      const sync = t.record<number>(() => turns(1));
      const inner = t.record<number>(() => turns(1));
      const outer = t.record<number>(async ({ payload }) => {
        await engine.publish({ topic: t.topic('sync'), payload });
        await Promise.all([
          engine.publish({ topic: t.topic('async'), payload }),
          engine.publish({ topic: t.topic('sync'), payload: payload + 100 }),
        ]);
      });
      await engine.subscribe(t.topic('sync'), sync.handler, roomy);
      await engine.subscribeAsync(t.topic('async'), inner.handler, roomy);
      await engine.subscribeAsync(t.topic('outer'), outer.handler, roomy);
      await t.publishNumbers(engine, t.topic('outer'), 40);
      await Promise.all([outer.ends(40), sync.ends(80), inner.ends(40)]);
    },
  },
  {
    name: 'an async handler can publish to its own topic and await it, 30 levels deep',
    rules: [3],
    async run(t) {
      const engine = await t.started();
      const seen = t.record<number>(async ({ payload }) => {
        if (payload < 30) await engine.publish({ topic: t.topic(), payload: payload + 1 });
      });
      await engine.subscribeAsync(t.topic(), seen.handler, { ...roomy, concurrency: 1 });
      await t.publish(engine, t.topic(), 0);
      await seen.ends(31);
    },
  },
  {
    name: 'a handler that fails after a publish is retried, and the event that it published stays published',
    rules: [3, 6],
    async run(t) {
      const engine = await t.started();
      const other = t.record<number>();
      const seen = t.record<string>(async (_, { attempt }) => {
        await engine.publish({ topic: t.topic('other'), payload: attempt });
        if (attempt < 3) throw new Error('not yet');
      });
      await engine.subscribe(t.topic('other'), other.handler, roomy);
      await engine.subscribe(t.topic(), seen.handler, { ...roomy, retry: attempts(3) });
      await t.publish(engine, t.topic(), 'go');
      await seen.ends(3);
      await other.ends(3);
      other.assertOrder([1, 2, 3], 'the subscription to what the handler publishes');
    },
  },
  {
    name: 'a handler can subscribe to a topic, publish to it, and unsubscribe again',
    rules: [1, 3],
    async run(t) {
      const engine = await t.started();
      const inner = t.record();
      const seen = t.record(async () => {
        const subscription = await engine.subscribe(t.topic('inner'), inner.handler, roomy);
        await engine.publish({ topic: t.topic('inner'), payload: 'nested' });
        await inner.ends(1);
        await subscription.cancel();
        await engine.publish({ topic: t.topic('inner'), payload: 'too late' });
      });
      await engine.subscribe(t.topic(), seen.handler, roomy);
      await t.publish(engine, t.topic(), 1);
      await seen.ends(1);
      await t.quiet(engine);
      inner.assertOrder(['nested'], 'the subscription that the handler makes');
      assertSubscribers(engine, t.topic('inner'), 0);
    },
  },
]);
