import assert from 'node:assert/strict';
import { deadLetterOf } from '@polybus/core';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertOrder, assertEach } from '../../support/arrivals.ts';
import { assertCounts } from '../../support/stats.ts';
import { attempts, roomy, unrecoverableOfAnotherCopy } from '../../support/subscriptions.ts';

const fail = (): never => {
  throw new TypeError('the handler cannot');
};

/** Events that failed on every attempt. */
export const deadLetterCases: readonly ConformanceCase[] = defineCases('dead-letters', [
  {
    name: 'a dead letter goes to _dead.<topic> with its id, payload, key, time, metadata and provenance',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const before = Date.now();
      const dead = t.record();
      await engine.subscribe(`_dead.${t.topic()}`, dead.handler, roomy);
      const seen = t.record(fail);
      const subscription = await engine.subscribe(t.topic(), seen.handler, {
        retry: attempts(3),
        deadLetter: true,
      });
      const metadata = { trace: 'abc', nested: { list: [1] } };
      const createdAt = new Date(Date.now() - 5000);
      await t.publish(engine, t.topic(), { n: 1 }, { key: 'k', metadata, createdAt });
      await dead.ends(1);
      const [letter] = dead.events;
      assert.equal(letter!.id, seen.ids[0]);
      assert.equal(letter!.topic, `_dead.${t.topic()}`);
      assert.deepEqual(letter!.payload, { n: 1 });
      assert.equal(letter!.key, 'k');
      assert.deepEqual(letter!.createdAt, createdAt);
      for (const [name, value] of Object.entries(metadata)) assert.deepEqual(letter!.metadata[name], value);
      const origin = deadLetterOf(letter!)!;
      assert.equal(origin.sourceTopic, t.topic());
      assert.equal(origin.subscription, subscription.id);
      assert.equal(origin.group, null);
      assert.equal(origin.attempts, 3);
      assert.ok(subscription.engine.split(',').includes(origin.engine), `unknown engine ${origin.engine}`);
      assert.equal(origin.error.name, 'TypeError');
      assert.equal(origin.error.message, 'the handler cannot');
      assert.match(origin.error.stack!, /the handler cannot/);
      const [first, last] = [Date.parse(origin.firstFailedAt), Date.parse(origin.lastFailedAt)];
      assert.ok(before <= first && first <= last && last <= Date.now(), JSON.stringify(origin));
      assert.equal(deadLetterOf(seen.events[0]!), undefined);
      await t.eventually(() => engine.stats().pending === 0, 'nothing to be pending');
      assertCounts(engine, { failed: 1, deadLettered: 1, retried: 2, enqueued: 2, delivered: 2 });
    },
  },
  {
    name: 'a dead letter goes to the topic that `deadLetter` names',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const [own, standard] = [t.record(), t.record()];
      await engine.subscribe(t.topic('graveyard'), own.handler, roomy);
      await engine.subscribe(`_dead.${t.topic()}`, standard.handler, roomy);
      await engine.subscribe(t.topic(), fail, { retry: false, deadLetter: t.topic('graveyard') });
      await t.publish(engine, t.topic(), 1);
      await own.ends(1);
      assert.equal(deadLetterOf(own.events[0]!)?.sourceTopic, t.topic());
      await t.quiet(engine);
      standard.assertCalls(0, 'the subscription to `_dead.<topic>`');
    },
  },
  {
    name: 'with `deadLetter: false` no dead letter is written, and the failure is counted',
    rules: [6, 7],
    async run(t) {
      const engine = await t.started();
      const dead = t.record();
      await engine.subscribe(`_dead.${t.id}.*`, dead.handler, roomy);
      await engine.subscribe(t.topic(), fail, { retry: attempts(2), deadLetter: false });
      await t.publish(engine, t.topic(), 1);
      await t.eventually(() => engine.stats().failed === 1, 'the delivery to fail');
      await t.quiet(engine);
      dead.assertCalls(0, 'the subscription to dead letters');
      assertCounts(engine, { deadLettered: 0 });
    },
  },
  {
    name: 'a "*" subscription never gets dead letters, so its own failures do not feed it; `_dead.*` gets them',
    rules: [2, 6],
    async run(t) {
      const engine = await t.started();
      const own = ({ topic }: { topic: string }): boolean => topic.includes(t.id);
      const [all, within, dead] = [
        t.record((event) => {
          if (own(event)) fail();
        }),
        t.record(fail),
        t.record(),
      ];
      const options = { ...roomy, retry: attempts(2), deadLetter: true };
      await engine.subscribe('*', all.handler, options);
      await engine.subscribe(t.topic('*'), within.handler, options);
      await engine.subscribe('_dead.*', dead.handler, roomy);
      await t.publish(engine, t.topic(), 1);
      await t.eventually(() => dead.events.filter(own).length === 2, 'two dead letters');
      await t.quiet(engine);
      const letters = dead.events
        .filter(own)
        .map(({ topic }) => topic)
        .filter((topic) => !topic.includes('.quiet-'));
      const expected = `_dead.${t.topic()}`;
      assertOrder(letters, [expected, expected], 'the subscription to `_dead.*`', 'events of the topics ');
      assert.equal(all.events.filter(({ topic }) => topic === t.topic()).length, 2);
      const internal = all.events.map(({ topic }) => topic).filter((topic) => topic.startsWith('_'));
      assertOrder(internal, [], 'the subscription to "*"', 'of topics that begin with "_" ');
    },
  },
  {
    name: 'a dead letter whose handler fails does not create another dead letter',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const dead = t.record(fail);
      await engine.subscribe(`_dead.${t.topic()}`, dead.handler, {
        ...roomy,
        retry: attempts(2),
        deadLetter: true,
      });
      const deadDead = t.record();
      await engine.subscribe('_dead._dead.*', deadDead.handler, roomy);
      await engine.subscribe(t.topic(), fail, { retry: false, deadLetter: true });
      await t.publish(engine, t.topic(), 1);
      await dead.ends(2);
      await t.eventually(() => engine.stats().failed === 2, 'both deliveries to fail');
      await t.quiet(engine);
      dead.assertCalls(2, 'the subscription to dead letters');
      assert.equal(deadDead.events.filter(({ topic }) => topic.includes(t.id)).length, 0);
    },
  },
  {
    name: 'one dead letter is written per failed subscription, with its name and group',
    rules: [5, 6],
    async run(t) {
      const engine = await t.started();
      const dead = t.record();
      await engine.subscribe(`_dead.${t.topic()}`, dead.handler, roomy);
      const made = [];
      for (let n = 0; n < 3; n++)
        made.push(await engine.subscribe(t.topic(), fail, { retry: false, deadLetter: true }));
      await engine.subscribe(t.topic(), () => {}, roomy);
      await t.publish(engine, t.topic(), 1);
      await dead.ends(3);
      await t.quiet(engine);
      const from = dead.events.map((event) => deadLetterOf(event)!.subscription);
      const ids = made.map(({ id }) => id);
      assertEach(from, ids, 'the subscription to dead letters', 'dead letters of the subscriptions ');
    },
  },
  {
    name: 'a dead letter describes a thrown value that is not an Error',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const dead = t.record<number>();
      await engine.subscribe(`_dead.${t.topic()}`, dead.handler, roomy);
      const cycle: Record<string, unknown> = {};
      cycle['self'] = cycle;
      const thrown = [
        'text',
        undefined,
        null,
        42,
        { reason: 'object' },
        cycle,
        Symbol('sign'),
        10n,
        Object.create(null),
      ];
      await engine.subscribe(
        t.topic(),
        (event) => {
          throw thrown[event.payload as number];
        },
        {
          ...roomy,
          retry: attempts(2),
          deadLetter: true,
        },
      );
      await t.publishNumbers(engine, t.topic(), thrown.length);
      await dead.ends(thrown.length);
      const errors = dead.events.map((event) => deadLetterOf(event)!.error);
      for (const error of errors) {
        assert.ok(error.name.length > 0);
        assert.equal(typeof error.message, 'string');
      }
      assert.match(errors[0]!.message, /text/);
      assert.match(errors[3]!.message, /42/);
      assert.match(errors[4]!.message, /object/);
    },
  },
  {
    name: 'an UnrecoverableError makes a dead letter after one attempt, and the next event of its key is handled',
    rules: [3, 6],
    async run(t) {
      const engine = await t.started();
      const dead = t.record<number>();
      await engine.subscribe(`_dead.${t.topic()}`, dead.handler, roomy);
      const seen = t.record<number>((event) => {
        if (event.payload % 2 === 0) throw unrecoverableOfAnotherCopy();
      });
      await engine.subscribeAsync(t.topic(), seen.handler, {
        ...roomy,
        concurrency: 3,
        retry: attempts(4),
        deadLetter: true,
      });
      await t.publishNumbers(engine, t.topic(), 40, (n) => ({ key: `key-${n % 4}` }));
      await seen.ends(40);
      await dead.ends(20);
      dead.assertPayloads(Array.from({ length: 20 }, (_, n) => n * 2));
      assert.ok(dead.events.every((event) => deadLetterOf(event)!.attempts === 1));
    },
  },
  {
    name: 'a dead letter of a topic of the maximum length has a valid topic',
    rules: [2, 6],
    async run(t) {
      const engine = await t.started();
      const topic = t.topic('x'.repeat(249 - t.id.length - 1));
      const dead = t.record();
      await engine.subscribe(`_dead.${t.id}.*`, dead.handler, roomy);
      await engine.subscribe(topic, fail, { retry: false, deadLetter: true });
      await t.publish(engine, topic, 1);
      await dead.ends(1);
      assert.equal(deadLetterOf(dead.events[0]!)?.sourceTopic, topic);
    },
  },
  {
    name: 'a dead letter is written for an event with a binary or undefined payload',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const dead = t.record();
      await engine.subscribe(`_dead.${t.topic()}`, dead.handler, roomy);
      await engine.subscribe(t.topic(), fail, { ...roomy, retry: false, deadLetter: true });
      await t.publish(engine, t.topic(), new Uint8Array([0, 255, 10]));
      await t.publish(engine, t.topic(), undefined);
      await dead.ends(2);
      assert.deepEqual([...(dead.payloads[0] as Uint8Array)], [0, 255, 10]);
      assert.equal(dead.payloads[1], undefined);
    },
  },
]);
