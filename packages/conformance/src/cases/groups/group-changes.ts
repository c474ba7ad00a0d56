import assert from 'node:assert/strict';
import { type EventHandler, type Subscription, deadLetterOf } from '@polybus/core';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertCounts } from '../../support/stats.ts';
import { assertOrder } from '../../support/arrivals.ts';
import { turns } from '../../support/eventually.ts';
import { attempts, roomy } from '../../support/subscriptions.ts';
import { numbers } from '../../support/numbers.ts';

const needs = { groups: true } as const;

/** Consumer groups whose members come and go. */
export const groupChangeCases: readonly ConformanceCase[] = defineCases('group-changes', [
  {
    name: 'a group loses no event, handles none twice and keeps order per key while members join and leave',
    rules: [3, 5, 7],
    needs,
    async run(t) {
      const engine = await t.started();
      const seen = t.record<number>(({ payload }) => turns(payload % 3));
      const watcher = t.record<number>();
      await engine.subscribe(t.topic(), watcher.handler, roomy);
      const members: Subscription[] = [];
      const join = async (n: number): Promise<void> => {
        const options = { ...roomy, group: t.group(), ...(n % 2 === 0 ? { concurrency: 2 } : {}) };
        const kind = n % 2 === 0 ? 'subscribeAsync' : 'subscribe';
        members.push(await engine[kind](t.topic(), seen.handler, options));
      };
      await join(0);
      await join(1);
      const count = 200;
      const publishing: Promise<void>[] = [];
      for (let n = 0; n < count; n++) {
        publishing.push(
          engine.publish({ topic: t.topic(), payload: n, key: `key-${Math.floor(n / 3) % 8}` }),
        );
        if (n % 10 === 5) await join(n / 5);
        if (n % 10 === 9) await members.shift()!.cancel();
        if (n % 7 === 0) await turns(1);
      }
      await t.within(Promise.all(publishing), 'publish to resolve');
      await seen.ends(count);
      await watcher.ends(count);
      await t.eventually(() => engine.stats().pending === 0, 'nothing to be pending');
      for (const [recorder, who] of [
        [seen, 'the members of the group together'],
        [watcher, 'the subscription without a group'],
      ] as const) {
        recorder.assertKeyOrder(who);
        recorder.assertPayloads(numbers(count), who);
      }
      assertCounts(engine, { dropped: 0 });
    },
  },
  {
    name: 'events queued for a leaving member go to another member, in order, after the running handler of their key settles',
    rules: [3, 5],
    needs,
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const [leaving, staying] = [t.record<number>(() => gate.opened), t.record<number>()];
      const options = { ...roomy, group: t.group() };
      const subscription = await engine.subscribe(t.topic(), leaving.handler, options);
      const publishing = [0, 1, 2, 3].map((n) =>
        engine.publish({ topic: t.topic(), payload: n, key: 'one' }),
      );
      await leaving.begins(1);
      await engine.subscribe(t.topic(), staying.handler, options);
      const cancelling = subscription.cancel();
      await t.quiet(engine);
      staying.assertOrder([], 'the staying member, while the leaving member handles the key,');
      gate.open();
      await t.within(cancelling, 'cancel to resolve');
      await staying.ends(3);
      await t.within(Promise.all(publishing), 'publish to resolve');
      leaving.assertOrder([0], 'the leaving member');
      staying.assertOrder([1, 2, 3], 'the staying member');
      assertCounts(engine, { dropped: 0 });
    },
  },
  {
    name: 'an event that arrives while a leaving member handles its key waits for that handler, then goes to a remaining member',
    rules: [3, 5],
    needs,
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const [leaving, staying] = [t.record<number>(() => gate.opened), t.record<number>()];
      const options = { ...roomy, group: t.group() };
      const subscription = await engine.subscribe(t.topic(), leaving.handler, options);
      const publishing = [engine.publish({ topic: t.topic(), payload: 0, key: 'one' })];
      await leaving.begins(1);
      await engine.subscribe(t.topic(), staying.handler, options);
      const cancelling = subscription.cancel();
      await turns(3);
      publishing.push(...[1, 2].map((n) => engine.publish({ topic: t.topic(), payload: n, key: 'one' })));
      publishing.push(engine.publish({ topic: t.topic(), payload: 3, key: 'two' }));
      await t.eventually(() => staying.payloads.includes(3), 'another key to be handled meanwhile');
      staying.assertOrder([3], 'the staying member, while the leaving member handles key "one",');
      gate.open();
      await t.within(cancelling, 'cancel to resolve');
      await staying.ends(3);
      await t.within(Promise.all(publishing), 'publish to resolve');
      staying.assertOrder([3, 1, 2], 'the staying member');
    },
  },
  {
    name: 'an event that waits for a retry goes to another member if its member leaves',
    rules: [5, 6],
    needs,
    async run(t) {
      const engine = await t.started();
      const [leaving, staying] = [
        t.record<number>(() => {
          throw new Error('always');
        }),
        t.record<number>(),
      ];
      const options = { ...roomy, group: t.group(), deadLetter: false };
      // Long enough that the next attempt cannot start while the member leaves.
      const backoff = { initialMs: 600_000, maxMs: 600_000, jitter: 'none' } as const;
      const subscription = await engine.subscribe(t.topic(), leaving.handler, {
        ...options,
        retry: { attempts: 3, backoff },
      });
      const publishing = engine.publish({ topic: t.topic(), payload: 1, key: 'one' });
      await leaving.ends(1);
      await engine.subscribe(t.topic(), staying.handler, { ...options, retry: attempts(3) });
      await t.within(subscription.cancel(), 'cancel to resolve');
      await staying.ends(1);
      await t.within(publishing, 'publish to resolve');
      await t.quiet(engine);
      leaving.assertCalls(1, 'the leaving member');
      staying.assertCalls(1, 'the staying member');
    },
  },
  {
    name: 'a released event keeps its attempt count when another member gets it',
    rules: [5, 6],
    needs,
    async run(t) {
      const engine = await t.started();
      const [first, second, dead] = [t.record(), t.record(), t.record<number>()];
      const fail =
        (seen: typeof first): EventHandler =>
        async (event, context) => {
          await seen.handler(event, context);
          throw new Error('always');
        };
      const backoff = { initialMs: 600_000, maxMs: 600_000, jitter: 'none' } as const;
      const options = { ...roomy, group: t.group(), deadLetter: t.topic('dead') };
      await engine.subscribe(t.topic('dead'), dead.handler, roomy);
      const waiting = { ...options, retry: { attempts: 3, backoff } };
      const subscription = await engine.subscribe(t.topic(), fail(first), waiting);
      const publishing = engine.publish({ topic: t.topic(), payload: 1, key: 'one' });
      await first.ends(1);
      await engine.subscribe(t.topic(), fail(second), { ...options, retry: attempts(3) });
      await t.within(subscription.cancel(), 'cancel to resolve');
      await dead.ends(1);
      await t.within(publishing, 'publish to resolve');
      const tries = [...first.calls, ...second.calls].map(({ context }) => context.attempt);
      assertOrder(tries, [1, 2, 3], 'both members together', 'the attempts ');
      assert.equal(deadLetterOf(dead.events[0]!)?.attempts, 3);
    },
  },
  {
    name: 'a group of eight continues with one member after the others leave',
    rules: [5],
    needs,
    async run(t) {
      const engine = await t.started();
      const seen = t.record<number>(() => turns(1));
      const options = { ...roomy, group: t.group() };
      const members = await Promise.all(
        Array.from({ length: 8 }, () => engine.subscribe(t.topic(), seen.handler, options)),
      );
      const publishing = numbers(40).map((n) => engine.publish({ topic: t.topic(), payload: n }));
      await Promise.all(members.slice(1).map((member) => t.within(member.cancel(), 'cancel to resolve')));
      publishing.push(...numbers(40).map((n) => engine.publish({ topic: t.topic(), payload: 40 + n })));
      await t.within(Promise.all(publishing), 'publish to resolve');
      await seen.ends(80);
      seen.assertPayloads(numbers(80));
    },
  },
  {
    name: 'a member that cancels itself in its handler gets no further event, and the group handles every event',
    rules: [5],
    needs,
    async run(t) {
      const engine = await t.started();
      const seen = t.record<number>(async (_, { subscription }) => {
        if (subscription.id === members[0]!.id) await subscription.cancel();
      });
      const options = { ...roomy, group: t.group() };
      const members: Subscription[] = [];
      for (let n = 0; n < 2; n++) members.push(await engine.subscribe(t.topic(), seen.handler, options));
      const publishing = numbers(20).map((n) =>
        engine.publish({ topic: t.topic(), payload: n, key: `key-${n % 4}` }),
      );
      await t.within(Promise.all(publishing), 'publish to resolve');
      await seen.ends(20);
      seen.assertPayloads(numbers(20));
      const byFirst = seen.calls.filter(({ context }) => context.subscription.id === members[0]!.id);
      assert.ok(byFirst.length <= 1, `the cancelled member handled ${byFirst.length} events`);
    },
  },
]);
