import assert from 'node:assert/strict';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertCounts } from '../../support/stats.ts';
import { assertOrder, assertEach } from '../../support/arrivals.ts';
import { rejectsWith } from '../../support/rejects.ts';
import { assertSubscribers, assertTopics, roomy } from '../../support/subscriptions.ts';
import { invalidPatterns, invalidTopics, place, wildcardTable } from '../../tables/wildcard-table.ts';

const anything = () => {};

/** Which topics a subscription gets. */
export const topicCases: readonly ConformanceCase[] = defineCases('topics', [
  ...wildcardTable.map(
    ({ pattern, matches, passes }) =>
      ({
        name: `a subscription to "${pattern}" gets each matching event once and no other event`,
        rules: [2],
        async run(t) {
          const engine = await t.started();
          const publisher = await t.elsewhere(engine);
          const topics = [...passes, ...matches].map((topic) => place(topic, t.id));
          const seen = t.record();
          await engine.subscribe(place(pattern, t.id), seen.handler, roomy);
          // A subscription to each topic proves that its event was delivered, even if the pattern must not get it.
          const witnesses = topics.map(() => t.record());
          for (const [n, topic] of topics.entries())
            await engine.subscribe(topic, witnesses[n]!.handler, roomy);
          for (const topic of topics) await t.publish(publisher, topic, topic);
          await Promise.all(witnesses.map((witness) => witness.ends(1)));
          const own = () => seen.events.filter(({ topic }) => topic.includes(t.id)).map(({ topic }) => topic);
          const expected = matches.map((topic) => place(topic, t.id)).sort();
          await t.eventually(
            () => own().length >= expected.length,
            () => `${expected.join()}; only ${own().join()} arrived`,
          );
          await t.quiet(engine);
          const got = own().filter((topic) => !topic.includes('.quiet-'));
          assertEach(got, expected, `the subscription to "${pattern}"`, 'events of the topics ');
          for (const [n, topic] of topics.entries())
            witnesses[n]!.assertPayloads([topic], `the subscription to "${topic}"`);
        },
      }) satisfies Omit<ConformanceCase, 'behaviour'>,
  ),
  {
    name: 'a topic named like a member of Object.prototype works as a topic, under a pattern and in a group',
    rules: [2, 5],
    async run(t) {
      const engine = await t.started();
      const publisher = await t.elsewhere(engine);
      const { groups } = engine.capabilities;
      const topics = ['constructor', 'toString', 'hasOwnProperty', '__proto__'];
      const seen = topics.map(() => t.record());
      const [patterns, members] = [t.record(), t.record()];
      for (const [n, topic] of topics.entries()) {
        await engine.subscribe(topic, seen[n]!.handler, roomy);
        await engine.subscribe(`${topic.slice(0, -1)}*`, patterns.handler, roomy);
        if (groups) await engine.subscribe(topic, members.handler, { ...roomy, group: t.group() });
      }
      // Other cases may use these topics on the same broker.
      for (const topic of topics) await t.publish(publisher, topic, t.id);
      const own = ({ events }: typeof patterns): string[] =>
        events.filter(({ payload }) => payload === t.id).map(({ topic }) => topic);
      const all = [...seen, patterns, ...(groups ? [members] : [])];
      const each = topics.length;
      const expected = [...seen.map(() => 1), each, ...(groups ? [each] : [])];
      const arrived = (): number[] => all.map((one) => own(one).length);
      await t.eventually(
        () => arrived().every((count, n) => count >= expected[n]!),
        () => `each event; ${arrived().join()} of ${expected.join()} arrived`,
      );
      await t.quiet(engine);
      for (const [n, topic] of topics.entries())
        assertOrder(own(seen[n]!), [topic], `the subscription to "${topic}"`, 'events of the topics ');
      assertEach(own(patterns), topics, 'the patterns', 'events of the topics ');
      if (groups) assertEach(own(members), topics, 'the group', 'events of the topics ');
      assert.ok(topics.every((topic) => engine.topics().includes(topic)));
      assert.ok(topics.every((topic) => engine.subscriberCount(topic) === (groups ? 3 : 2)));
    },
  },
  {
    name: 'each of several overlapping subscriptions gets the event once, whether it names the topic or a pattern',
    rules: [2, 5],
    async run(t) {
      const engine = await t.started();
      const patterns = ['a.b.c', 'a.b.*', 'a.*', 'a*', 'a.b.*'];
      const recorders = patterns.map(() => t.record());
      for (const [n, pattern] of patterns.entries()) {
        await engine.subscribe(t.topic(pattern), recorders[n]!.handler, roomy);
      }
      await t.publish(await t.elsewhere(engine), t.topic('a.b.c'), 1);
      for (const seen of recorders) await seen.ends(1);
      await t.quiet(engine);
      for (const seen of recorders) seen.assertCalls(1);
    },
  },
  {
    name: 'a pattern subscription gets every event of a topic that is first used later',
    rules: [1, 2],
    async run(t) {
      const engine = await t.started();
      const seen = t.record<number>();
      await engine.subscribe(t.topic('new.*'), seen.handler, roomy);
      const publisher = await t.elsewhere(engine);
      for (let n = 0; n < 10; n++) await t.publish(publisher, t.topic(`new.topic-${n}`), n);
      await seen.ends(10);
      seen.assertPayloads([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    },
  },
  {
    name: 'the longest allowed topic and the longest allowed pattern work',
    rules: [2],
    async run(t) {
      const engine = await t.started();
      const topic = t.topic('x'.repeat(249 - t.id.length - 1));
      assert.equal(topic.length, 249);
      const [exact, pattern] = [t.record(), t.record()];
      await engine.subscribe(topic, exact.handler);
      await engine.subscribe(`${topic.slice(0, -1)}*`, pattern.handler);
      await t.publish(engine, topic, 1);
      await exact.ends(1);
      await pattern.ends(1);
    },
  },
  {
    name: 'publish() and subscribe() refuse an invalid topic, name it, and enqueue nothing',
    rules: [2, 12],
    async run(t) {
      const engine = await t.started();
      const seen = t.record();
      await engine.subscribe('*', seen.handler, roomy);
      for (const topic of invalidTopics as string[]) {
        await rejectsWith(() => engine.publish({ topic, payload: 1 }), 'INVALID_TOPIC');
        await rejectsWith(() => engine.subscribe(topic, anything), 'INVALID_TOPIC');
        await rejectsWith(() => engine.subscribeAsync(topic, anything), 'INVALID_TOPIC');
      }
      for (const pattern of invalidPatterns) {
        await rejectsWith(() => engine.publish({ topic: pattern, payload: 1 }), 'INVALID_TOPIC');
        await rejectsWith(() => engine.subscribe(pattern, anything), 'INVALID_TOPIC', 'Invalid topic');
        await rejectsWith(() => engine.subscribeAsync(pattern, anything), 'INVALID_TOPIC');
      }
      await rejectsWith(
        () => engine.publish({ topic: t.topic('*'), payload: 1 }),
        'INVALID_TOPIC',
        t.topic('*'),
      );
      assertTopics(engine, ['*']);
      assertCounts(engine, { published: 0 });
    },
  },
  {
    name: 'topics() lists the topics and patterns that have subscriptions, and subscriberCount() counts sync, async and pattern subscriptions',
    rules: [2],
    async run(t) {
      const engine = await t.started();
      const [a, b, all] = [t.topic('a'), t.topic('b'), t.topic('*')];
      assertTopics(engine, []);
      assertSubscribers(engine, a, 0);
      const first = await engine.subscribe(a, anything);
      const second = await engine.subscribeAsync(a, anything);
      const third = await engine.subscribe(all, anything);
      assertTopics(engine, [all, a]);
      assertSubscribers(engine, a, 3);
      assertSubscribers(engine, b, 1);
      assertSubscribers(engine, all, 1);
      await first.cancel();
      assertSubscribers(engine, a, 2);
      await third.cancel();
      assertTopics(engine, [a]);
      await second.cancel();
      assertTopics(engine, []);
      assertSubscribers(engine, a, 0);
      assert.throws(() => engine.subscriberCount('no topic'), { code: 'INVALID_TOPIC' });
    },
  },
  {
    name: 'a subscription has a unique id and reports its topic, kind, group and engine',
    rules: [5],
    async run(t) {
      const engine = await t.started();
      const sync = await engine.subscribe(t.topic('a.*'), anything);
      const async = await engine.subscribeAsync(t.topic('a.*'), anything);
      assert.equal(sync.topic, t.topic('a.*'));
      assert.equal(sync.isAsync, false);
      assert.equal(async.isAsync, true);
      assert.notEqual(sync.id, async.id);
      assert.equal(typeof sync.engine, 'string');
      assert.ok(sync.engine.length > 0);
      assert.equal(sync.group, undefined);
      const seen = t.record();
      const third = await engine.subscribe(t.topic('a.b'), seen.handler);
      await t.publish(engine, t.topic('a.b'), 1);
      await seen.ends(1);
      assert.equal(seen.calls[0]!.context.subscription.id, third.id);
    },
  },
]);
