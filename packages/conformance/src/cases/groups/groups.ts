import assert from 'node:assert/strict';
import type { Subscription } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { deadLetterOf } from '@polybus/core';
import type { CaseContext } from '../../case-context.ts';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertEach, assertOrder } from '../../support/arrivals.ts';
import { turns } from '../../support/eventually.ts';
import type { Recorder } from '../../support/recorder.ts';
import { attempts, roomy } from '../../support/subscriptions.ts';
import { numbers } from '../../support/numbers.ts';

const needs = { groups: true } as const;

async function join(
  t: CaseContext,
  engine: Engine,
  group: string,
  seen: Recorder<number>,
  isAsync = false,
): Promise<Subscription> {
  const options = { ...roomy, group: t.group(group) };
  if (isAsync) return engine.subscribeAsync(t.topic(), seen.handler, { ...options, concurrency: 3 });
  return engine.subscribe(t.topic(), seen.handler, options);
}

function assertShared(
  recorders: readonly Recorder<number>[],
  count: number,
  who = 'the members of the group together',
): void {
  const all = recorders.flatMap(({ payloads }) => payloads);
  assertEach(all, numbers(count), who);
}

/** Consumer groups whose members stay. */
export const groupCases: readonly ConformanceCase[] = defineCases('groups', [
  {
    name: 'members of a group share events: each event goes to exactly one member',
    rules: [5],
    needs,
    async run(t) {
      const engine = await t.started();
      const other = await t.elsewhere(engine);
      const members = [t.record<number>(), t.record<number>(), t.record<number>()];
      await join(t, engine, 'workers', members[0]!);
      await join(t, other, 'workers', members[1]!, true);
      await join(t, engine, 'workers', members[2]!);
      await t.publishNumbers(engine, t.topic(), 60);
      await t.eventually(() => members.reduce((sum, { ended }) => sum + ended, 0) >= 60, '60 events');
      await t.quiet(engine);
      assertShared(members, 60);
    },
  },
  {
    name: 'a member gets only topics that it subscribes to, even if another member handles the same key',
    rules: [2, 5],
    needs,
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const [orders, users] = [t.record<number>(() => gate.opened), t.record<number>()];
      const options = { ...roomy, group: t.group() };
      await engine.subscribe(`${t.topic('orders')}.*`, orders.handler, options);
      await engine.subscribe(`${t.topic('users')}.*`, users.handler, options);
      const topics = { order: `${t.topic('orders')}.placed`, user: `${t.topic('users')}.changed` };
      const publishing = [engine.publish({ topic: topics.order, payload: 0, key: 'one' })];
      await orders.begins(1);
      for (const n of [1, 2]) publishing.push(engine.publish({ topic: topics.user, payload: n, key: 'one' }));
      publishing.push(engine.publish({ topic: topics.order, payload: 3, key: 'one' }));
      await turns(3);
      gate.open();
      await t.within(Promise.all(publishing), 'publish to resolve');
      await orders.ends(2);
      await users.ends(2);
      orders.assertOrder([0, 3], 'the member on the topics of orders');
      users.assertOrder([1, 2], 'the member on the topics of users');
    },
  },
  {
    name: 'every group gets every event, and so does every subscription without a group',
    rules: [5],
    needs,
    async run(t) {
      const engine = await t.started();
      const [a, b, alone] = [
        [t.record<number>(), t.record<number>()],
        [t.record<number>(), t.record<number>()],
        [t.record<number>(), t.record<number>()],
      ] as const;
      for (const seen of a) await join(t, engine, 'a', seen);
      for (const seen of b) await join(t, engine, 'b', seen, true);
      for (const seen of alone) await engine.subscribe(t.topic(), seen.handler, roomy);
      await t.publishNumbers(await t.elsewhere(engine), t.topic(), 50);
      const total = (): number => [...a, ...b, ...alone].reduce((sum, { ended }) => sum + ended, 0);
      await t.eventually(
        () => total() >= 200,
        () => `200 events, not ${total()}`,
      );
      await t.quiet(engine);
      assertShared(a, 50, 'the members of group a together');
      assertShared(b, 50, 'the members of group b together');
      for (const seen of alone) seen.assertOrder(numbers(50), 'a subscription without a group');
    },
  },
  {
    name: 'a group handles the events of a key in order and one at a time',
    rules: [3, 5],
    needs,
    async run(t) {
      const engine = await t.started();
      const other = await t.elsewhere(engine);
      const seen = t.record<number>(({ payload }) => turns(payload % 4));
      await join(t, engine, 'workers', seen, true);
      await join(t, other, 'workers', seen, true);
      await join(t, engine, 'workers', seen);
      await t.publishNumbers(engine, t.topic(), 120, (n) => ({ key: `key-${Math.floor(n / 3) % 6}` }));
      await seen.ends(120);
      seen.assertKeyOrder('the members of the group together');
      assertShared([seen], 120);
    },
  },
  {
    name: 'a failing event is retried within its group and becomes one dead letter that names the group',
    rules: [5, 6],
    needs,
    async run(t) {
      const engine = await t.started();
      const dead = t.record<number>();
      await engine.subscribe(`_dead.${t.topic()}`, dead.handler, roomy);
      const tries: number[] = [];
      for (let n = 0; n < 3; n++) {
        const options = { ...roomy, group: t.group(), retry: attempts(3), deadLetter: true };
        const fail = (_: unknown, { attempt }: { attempt: number }): never => {
          tries.push(attempt);
          throw new Error('always');
        };
        await engine.subscribe(t.topic(), fail, options);
      }
      await t.publish(engine, t.topic(), 1);
      await dead.ends(1);
      await t.quiet(engine);
      dead.assertCalls(1, 'the subscription to dead letters');
      assertOrder(tries, [1, 2, 3], 'the members of the group together', 'the attempts ');
      assert.equal(deadLetterOf(dead.events[0]!)!.group, t.group());
    },
  },
  {
    name: 'a member on a topic and a member on a matching pattern share the events of the topic',
    rules: [2, 5],
    needs,
    async run(t) {
      const engine = await t.started();
      const [exact, pattern, elsewhere] = [t.record<number>(), t.record<number>(), t.record<number>()];
      const options = { ...roomy, group: t.group() };
      await engine.subscribe(t.topic('a.b'), exact.handler, options);
      await engine.subscribe(t.topic('a.*'), pattern.handler, options);
      await engine.subscribe(t.topic('z'), elsewhere.handler, options);
      await t.publishNumbers(engine, t.topic('a.b'), 20);
      await t.publishNumbers(engine, t.topic('a.c'), 20);
      await t.publishNumbers(engine, t.topic('z'), 20);
      await t.eventually(() => exact.ended + pattern.ended + elsewhere.ended >= 60, '60 events');
      await t.quiet(engine);
      elsewhere.assertOrder(numbers(20), 'the member on topic z');
      const ofB = [...exact.events, ...pattern.events.filter(({ topic }) => topic === t.topic('a.b'))];
      const payloadsOfB = ofB.map(({ payload }) => payload);
      assertEach(payloadsOfB, numbers(20), 'the members on topic a.b and on pattern a.* together');
      assert.ok(exact.events.every(({ topic }) => topic === t.topic('a.b')));
      assert.equal(pattern.events.filter(({ topic }) => topic === t.topic('a.c')).length, 20);
    },
  },
  {
    name: 'a hanging handler of one member does not stop the other events of the group',
    rules: [5, 6],
    needs,
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const seen = t.record<number>(({ payload }) => (payload === 0 ? gate.opened : undefined));
      const options = { ...roomy, group: t.group(), concurrency: 2 };
      await engine.subscribeAsync(t.topic(), seen.handler, options);
      await engine.subscribeAsync(t.topic(), seen.handler, options);
      await t.publishNumbers(engine, t.topic(), 20);
      await seen.ends(19);
      gate.open();
      await seen.ends(20);
      assertShared([seen], 20);
    },
  },
]);
