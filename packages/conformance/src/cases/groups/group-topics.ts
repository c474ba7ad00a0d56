import assert from 'node:assert/strict';
import type { StartPosition, Subscription } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { settlesWithin } from '@polybus/core/engine-kit';
import type { CaseContext } from '../../case-context.ts';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertCounts } from '../../support/stats.ts';
import { assertEach } from '../../support/arrivals.ts';
import { turns } from '../../support/eventually.ts';
import { numbers } from '../../support/numbers.ts';
import type { Recorder } from '../../support/recorder.ts';
import { roomy } from '../../support/subscriptions.ts';

const needs = { groups: true, replay: true } as const;
/** How long a member may take to join while a handler of another member runs, on an engine that does not wait for the handler. */
const joinMs = 5000;
const positions: readonly StartPosition[] = ['earliest', 'latest', new Date(0)];

/** Subscribes a member of the case's group to one of the case's topics or patterns. */
function join(
  t: CaseContext,
  engine: Engine,
  name: string,
  seen: Recorder<string>,
  from?: StartPosition,
): Promise<Subscription> {
  const options = { ...roomy, group: t.group(), ...(from === undefined ? {} : { from }) };
  return t.within(engine.subscribe(t.topic(name), seen.handler, options), `subscribe to ${name} to resolve`);
}

async function leave(t: CaseContext, ...subscriptions: Subscription[]): Promise<void> {
  await t.within(Promise.all(subscriptions.map((one) => one.cancel())), 'cancel to resolve');
}

/** Publishes texts of the form `<name> <n>`, each to the topic of that name. */
async function publish(t: CaseContext, engine: Engine, ...texts: string[]): Promise<void> {
  for (const text of texts) await t.publish(engine, t.topic(text.split(' ')[0]), text);
}

/** Waits for these payloads, and asserts that there are no others. */
async function assertGot(
  t: CaseContext,
  engine: Engine,
  seen: Recorder<string>,
  ...texts: string[]
): Promise<void> {
  const missing = (): string[] => texts.filter((text) => !seen.payloads.includes(text));
  await t.eventually(
    () => missing().length === 0 && seen.running === 0,
    () => `the group to get ${missing().join(', ')}; it got ${seen.payloads.join(', ')}`,
  );
  await t.quiet(engine);
  seen.assertPayloads(texts, 'the group');
}

/** Groups with several topics. A group has one position per topic, and a pattern covers every topic that it matches. */
export const groupTopicCases: readonly ConformanceCase[] = defineCases('group-topics', [
  {
    name: 'a group that returns to several topics continues in each, in whatever order it subscribes again',
    rules: [1, 5],
    needs,
    async run(t) {
      const engine = await t.started();
      const seen = t.record<string>();
      const both = ['order', 'user'].map((name) => join(t, engine, name, seen, 'earliest'));
      await leave(t, ...(await Promise.all(both)));
      await publish(t, engine, 'order 1', 'user 1');
      const order = await join(t, engine, 'order', seen, 'earliest');
      const user = await join(t, engine, 'user', seen, 'earliest');
      await assertGot(t, engine, seen, 'order 1', 'user 1');
      await leave(t, order, user);
      await publish(t, engine, 'order 2', 'user 2');
      await join(t, engine, 'user', seen, 'earliest');
      await join(t, engine, 'order', seen, 'earliest');
      await assertGot(t, engine, seen, 'order 1', 'user 1', 'order 2', 'user 2');
    },
  },
  {
    name: 'a group with members starts at `from` in a topic that is new to it',
    rules: [1, 5],
    needs,
    async run(t) {
      const engine = await t.started();
      const seen = t.record<string>();
      await publish(t, engine, 'one 1', 'two 1', 'three 1', 'four 1');
      await join(t, engine, 'one', seen, 'latest');
      await join(t, engine, 'two', seen, 'earliest');
      await join(t, engine, 'three', seen, new Date(0));
      await join(t, engine, 'four', seen, 'latest');
      await publish(t, engine, 'one 2', 'two 2', 'three 2', 'four 2');
      await assertGot(t, engine, seen, 'two 1', 'three 1', 'one 2', 'two 2', 'three 2', 'four 2');
    },
  },
  {
    name: 'a group that returns to one of its topics continues where it stopped, whatever `from` specifies',
    rules: [1, 5],
    needs,
    async run(t) {
      const engine = await t.started();
      const [staying, leaving] = [t.record<string>(), t.record<string>()];
      await join(t, engine, 'order', staying);
      const expected: string[] = [];
      for (const [n, from] of positions.entries()) {
        const user = await join(t, engine, 'user', leaving, from);
        await publish(t, engine, `user here-${n}`);
        expected.push(`user here-${n}`);
        await assertGot(t, engine, leaving, ...expected);
        await leave(t, user);
        await publish(t, engine, `user away-${n}`, `order ${n}`);
        expected.push(`user away-${n}`);
      }
      await join(t, engine, 'user', leaving, new Date(Date.now() + 3_600_000));
      await assertGot(t, engine, leaving, ...expected);
      await assertGot(t, engine, staying, ...positions.map((_, n) => `order ${n}`));
    },
  },
  ...positions.map((from) => ({
    name: `a pattern from ${from instanceof Date ? 'a Date' : from} added to a group continues in topics that the group knows, and starts at \`from\` in others`,
    rules: [1, 2, 5],
    needs,
    async run(t: CaseContext): Promise<void> {
      const engine = await t.started();
      const seen = t.record<string>();
      await publish(t, engine, 'a.had 1', 'a.has 1', 'a.new 1', 'b 1');
      const had = await join(t, engine, 'a.had', seen, 'earliest');
      await join(t, engine, 'a.has', seen, 'earliest');
      await assertGot(t, engine, seen, 'a.had 1', 'a.has 1');
      await leave(t, had);
      await publish(t, engine, 'a.had 2', 'a.has 2', 'a.new 2', 'b 2');
      await join(t, engine, 'a.*', seen, from);
      await publish(t, engine, 'a.had 3', 'a.has 3', 'a.new 3', 'b 3');
      const ofOld = ['a.had 1', 'a.has 1', 'a.had 2', 'a.has 2', 'a.had 3', 'a.has 3'];
      const ofNew = from === 'latest' ? ['a.new 3'] : ['a.new 1', 'a.new 2', 'a.new 3'];
      await assertGot(t, engine, seen, ...ofOld, ...ofNew);
    },
  })),
  {
    name: 'a group that replaces a pattern with a topic under it continues that topic where the pattern stopped',
    rules: [1, 2, 5],
    needs,
    async run(t) {
      const engine = await t.started();
      const [byPattern, alone] = [t.record<string>(), t.record<string>()];
      await publish(t, engine, 'a.x 1', 'a.y 1');
      const pattern = await join(t, engine, 'a.*', byPattern, 'latest');
      await publish(t, engine, 'a.x 2', 'a.y 2');
      await assertGot(t, engine, byPattern, 'a.x 2', 'a.y 2');
      await leave(t, pattern);
      await publish(t, engine, 'a.x 3', 'a.y 3');
      const x = await join(t, engine, 'a.x', alone, 'earliest');
      await publish(t, engine, 'a.x 4', 'a.y 4');
      await assertGot(t, engine, alone, 'a.x 3', 'a.x 4');
      await leave(t, x);
      await publish(t, engine, 'a.x 5', 'a.y 5');
      await join(t, engine, 'a.*', byPattern, 'latest');
      await assertGot(t, engine, byPattern, 'a.x 2', 'a.y 2', 'a.y 3', 'a.y 4', 'a.x 5', 'a.y 5');
    },
  },
  {
    name: 'a member that subscribes to a topic under a pattern of its group causes no redelivery, also when it leaves again',
    rules: [1, 2, 5],
    needs,
    async run(t) {
      const engine = await t.started();
      const seen = t.record<string>();
      await publish(t, engine, 'a.x 1');
      await join(t, engine, 'a.*', seen, 'earliest');
      await assertGot(t, engine, seen, 'a.x 1');
      const x = await join(t, engine, 'a.x', seen, 'earliest');
      await publish(t, engine, 'a.x 2', 'a.y 2');
      await assertGot(t, engine, seen, 'a.x 1', 'a.x 2', 'a.y 2');
      await leave(t, x);
      await publish(t, engine, 'a.x 3', 'a.y 3');
      await assertGot(t, engine, seen, 'a.x 1', 'a.x 2', 'a.y 2', 'a.x 3', 'a.y 3');
    },
  },
  ...(
    [
      ['events that a leaving member took by a pattern go to a later member of their topic', false],
      ['a leaving member passes events that it took by a pattern to a process that adds their topic', true],
    ] as const
  ).map(([name, isElsewhere]) => ({
    name,
    rules: [3, 5, 7],
    needs,
    async run(t: CaseContext): Promise<void> {
      const engine = await t.started();
      const other = isElsewhere ? await t.elsewhere(engine) : engine;
      const gate = t.gate();
      const seen = t.record<number>(() => gate.opened);
      const options = { ...roomy, group: t.group() };
      const send = (by: Engine, payload: number): Promise<void> =>
        by.publish({ topic: t.topic('a.x'), payload, key: 'one' });
      // A pattern takes a while to find a new topic.
      await t.within(send(engine, -1), 'publish to resolve');
      const leaving = await engine.subscribe(t.topic('a.*'), seen.handler, options);
      const publishing = numbers(4).map((n) => send(engine, n));
      await seen.begins(1);
      await t.eventually(() => engine.stats().enqueued === 4, 'four events to be accepted');
      const joining = t.within(
        other.subscribe(t.topic('a.x'), seen.handler, options),
        'subscribe to resolve',
      );
      // On Kafka, a member joins when the running handlers have ended.
      await settlesWithin(joining, joinMs);
      publishing.push(send(other, 4));
      const left = leave(t, leaving);
      gate.open();
      await Promise.all([left, joining, t.within(Promise.all(publishing), 'publish to resolve')]);
      await seen.ends(5);
      await t.quiet(engine);
      seen.assertPayloads(numbers(5), 'the group');
      seen.assertKeyOrder('the group');
    },
  })),
  {
    name: 'two processes that add a pattern and a matching topic to a group in quick succession share the events',
    rules: [1, 2, 5],
    needs,
    async run(t) {
      const engine = await t.started();
      const other = await t.elsewhere(engine);
      const seen = t.record<string>();
      await join(t, engine, 'b', seen);
      for (const name of ['a', 'c', 'd']) {
        await join(t, other, `${name}.*`, seen, 'earliest');
        await join(t, engine, `${name}.x`, seen, 'earliest');
      }
      const topics = ['b', 'a.x', 'a.y', 'c.x', 'c.y', 'd.x', 'd.y'];
      await publish(t, other, ...topics.map((topic) => `${topic} 1`));
      await assertGot(t, engine, seen, ...topics.map((topic) => `${topic} 1`));
    },
  },
  {
    name: 'a group with a pattern reads a topic that is first used later from its first event, and continues there when it returns',
    rules: [1, 2, 5],
    needs,
    async run(t) {
      const engine = await t.started();
      const seen = t.record<string>();
      const pattern = await join(t, engine, 'a.*', seen, 'latest');
      const other = await t.elsewhere(engine);
      await publish(t, other, 'a.x 1', 'a.x 2');
      await assertGot(t, engine, seen, 'a.x 1', 'a.x 2');
      await leave(t, pattern);
      await publish(t, other, 'a.x 3');
      await join(t, engine, 'a.*', seen, 'latest');
      await publish(t, other, 'a.y 1');
      await assertGot(t, engine, seen, 'a.x 1', 'a.x 2', 'a.x 3', 'a.y 1');
    },
  },
  {
    name: 'released events of one topic go to the next member there while another topic continues',
    rules: [4, 5, 7],
    needs,
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const [first, staying] = [t.record<string>(() => gate.opened), t.record<string>()];
      const second = t.record<string>(({ key }) => {
        assert.ok(first.running === 0 || key !== first.events[0]!.key, 'two members had the key at once');
      });
      await join(t, engine, 'user', staying);
      const order = await join(t, engine, 'order', first);
      const publishing = [1, 2, 3, 4].map((n) =>
        engine.publish({ topic: t.topic('order'), payload: `order ${n}`, key: `key-${n % 2}` }),
      );
      await first.begins(1);
      await t.eventually(() => engine.stats().enqueued === 4, 'four events to be accepted');
      const leaving = order.cancel();
      // While the handler still runs: the next event of its key must wait for it.
      const joining = join(t, engine, 'order', second);
      await turns(10);
      gate.open();
      await t.within(Promise.all([leaving, joining, ...publishing]), 'all to resolve');
      await t.eventually(
        () => first.ended + second.ended >= 4,
        () => `four events, not ${first.ended + second.ended}`,
      );
      await publish(t, engine, 'user 1');
      await assertGot(t, engine, staying, 'user 1');
      const all = [...first.payloads, ...second.payloads];
      assertEach(all, ['order 1', 'order 2', 'order 3', 'order 4'], 'both members together');
      assertCounts(engine, { dropped: 0, failed: 0 });
    },
  },
]);
