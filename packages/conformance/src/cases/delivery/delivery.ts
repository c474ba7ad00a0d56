import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Event } from '@polybus/core';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertOrder } from '../../support/arrivals.ts';
import { assertCounts } from '../../support/stats.ts';
import { roomy } from '../../support/subscriptions.ts';
import { numbers } from '../../support/numbers.ts';

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Every event arrives complete at the subscriptions of its topic and at no other. */
export const deliveryCases: readonly ConformanceCase[] = defineCases('delivery', [
  {
    name: 'an event arrives with the id, payload, metadata, key and time it was published with',
    rules: [1],
    async run(t) {
      const engine = await t.started();
      const topic = t.topic();
      const seen = t.record<{ n: number }>();
      await engine.subscribe(topic, seen.handler, roomy);
      const publisher = await t.elsewhere(engine);
      const sent = Array.from({ length: 100 }, (_, n) => ({
        id: randomUUID(),
        topic,
        payload: { n, text: `event ${n}`, list: [n, null, { deep: true }] },
        metadata: { n, source: 'conformance', nested: { list: [1, 'two', null] } },
        key: `key-${n % 7}`,
        createdAt: new Date(Date.now() - n * 1000),
      }));
      for (const event of sent) await t.within(publisher.publish(event), 'publish to resolve');
      await seen.ends(sent.length);
      const got = [...seen.events].sort((a, b) => a.payload.n - b.payload.n);
      const shape = ({ id, topic, payload, metadata, key, createdAt }: Event): Partial<Event> => ({
        id,
        topic,
        payload,
        metadata,
        key,
        createdAt,
      });
      assert.deepEqual(got.map(shape), sent);
      assertCounts(engine, { enqueued: 100, delivered: 100, dropped: 0, failed: 0, retried: 0 });
    },
  },
  {
    name: 'an event published without id, time, key and metadata gets a UUIDv7, the publish time, no key and empty metadata',
    rules: [1],
    async run(t) {
      const engine = await t.started();
      const seen = t.record();
      await engine.subscribe(t.topic(), seen.handler);
      const before = Date.now();
      await t.publish(engine, t.topic(), 1);
      await t.publish(engine, t.topic(), 2);
      const after = Date.now();
      await seen.ends(2);
      for (const { id, key, metadata, createdAt } of seen.events) {
        assert.match(id, uuidV7);
        assert.equal(key, undefined);
        assert.deepEqual(metadata, {});
        assert.ok(createdAt instanceof Date);
        assert.ok(
          createdAt.getTime() >= before && createdAt.getTime() <= after,
          'createdAt is not the time of publishing',
        );
      }
      assert.notEqual(seen.ids[0], seen.ids[1]);
    },
  },
  {
    name: 'an event has processingStarted while its handler runs, and processingCompleted after the handler settles',
    rules: [1],
    async run(t) {
      const engine = await t.started();
      let during: Date | undefined;
      const seen = t.record((event) => void (during = event.processingCompleted));
      await engine.subscribe(t.topic(), seen.handler);
      const before = Date.now();
      await t.publish(engine, t.topic(), 1);
      await seen.ends(1);
      const { event, context } = seen.calls[0]!;
      assert.ok(event.processingStarted instanceof Date);
      assert.ok(
        event.processingStarted.getTime() >= before && event.processingStarted.getTime() <= Date.now(),
      );
      assert.equal(during, undefined, 'completed before the handler settled');
      await t.eventually(() => event.processingCompleted instanceof Date, 'processingCompleted to be set');
      assert.equal(context.attempt, 1);
      assert.equal(context.signal.aborted, false, 'the signal of a handler that succeeded is aborted');
    },
  },
  {
    name: 'every sync and async subscription of a topic gets every event',
    rules: [5],
    async run(t) {
      const engine = await t.started();
      const recorders = [t.record<number>(), t.record<number>(), t.record<number>()];
      await engine.subscribe(t.topic(), recorders[0]!.handler, roomy);
      await engine.subscribeAsync(t.topic(), recorders[1]!.handler, roomy);
      await engine.subscribe(t.topic(), recorders[2]!.handler, roomy);
      await t.publishNumbers(await t.elsewhere(engine), t.topic(), 20);
      for (const seen of recorders) {
        await seen.ends(20);
        seen.assertPayloads(numbers(20), 'each subscription');
      }
      await t.eventually(() => engine.stats().pending === 0, 'nothing to be pending');
      assertCounts(engine, { enqueued: 60, delivered: 60, dropped: 0 });
    },
  },
  {
    name: '50 subscribers each get every event of 50 concurrent publishers',
    rules: [5, 7],
    async run(t) {
      const engine = await t.started();
      const publisher = await t.elsewhere(engine);
      const recorders = Array.from({ length: 50 }, () => t.record<string>());
      await Promise.all(recorders.map((seen) => engine.subscribe(t.topic(), seen.handler, roomy)));
      const names = Array.from({ length: 50 }, (_, n) => `publisher-${n}`);
      await Promise.all(
        names.map(async (name) => {
          for (let n = 0; n < 10; n++) await t.publish(publisher, t.topic(), `${name}-${n}`);
        }),
      );
      const expected = names.flatMap((name) => Array.from({ length: 10 }, (_, n) => `${name}-${n}`));
      for (const seen of recorders) {
        await seen.ends(500);
        seen.assertPayloads(expected, 'each subscription');
      }
      assertCounts(engine, { enqueued: 25_000, delivered: 25_000, dropped: 0 });
      assertCounts(publisher, { published: 500 });
    },
  },
  {
    name: 'subscriptions to 20 topics under concurrent load get only the events of their own topic',
    rules: [2],
    async run(t) {
      const engine = await t.started();
      const topics = Array.from({ length: 20 }, (_, n) => t.topic(`topic-${n}`));
      const recorders = await Promise.all(
        topics.map(async (topic) => {
          const seen = t.record<number>();
          await engine.subscribe(topic, seen.handler, roomy);
          return seen;
        }),
      );
      await Promise.all(topics.map((topic) => t.publishNumbers(engine, topic, 50)));
      for (const [n, seen] of recorders.entries()) {
        await seen.ends(50);
        seen.assertOrder(numbers(50), `the subscription to topic ${n}`);
        assert.ok(seen.events.every(({ topic }) => topic === topics[n]));
      }
    },
  },
  {
    name: 'publish() resolves if a topic has no subscription, and a later subscription does not get that event',
    rules: [1, 7],
    async run(t) {
      const engine = await t.started();
      await t.publish(engine, t.topic(), 'before');
      const seen = t.record();
      await engine.subscribe(t.topic(), seen.handler);
      await t.publish(engine, t.topic(), 'after');
      await seen.ends(1);
      await t.quiet(engine);
      seen.assertOrder(['after']);
    },
  },
  {
    name: 'an event published right after subscribe() resolves arrives, from the same engine and from another',
    rules: [1],
    async run(t) {
      const engine = await t.started();
      const other = await t.elsewhere(engine);
      for (let round = 0; round < 5; round++) {
        const topic = t.topic(`round-${round}`);
        const seen = t.record();
        await engine.subscribe(topic, seen.handler);
        await t.publish(engine, topic, 'here');
        await t.publish(other, topic, 'elsewhere');
        await seen.ends(2);
        seen.assertOrder(['here', 'elsewhere']);
      }
    },
  },
  {
    name: 'a subscription made under load gets every event published after subscribe() resolves',
    rules: [1],
    async run(t) {
      const engine = await t.started();
      const publisher = await t.elsewhere(engine);
      let next = 0;
      const over = new AbortController();
      const flow = (async () => {
        while (!over.signal.aborted) {
          await t.publish(publisher, t.topic(), next++);
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      const joined = [];
      for (let n = 0; n < 5; n++) {
        const seen = t.record<number>();
        await engine.subscribe(t.topic(), seen.handler, roomy);
        joined.push({ seen, from: next });
        const goal = next + 5;
        await t.eventually(() => next >= goal, 'events to flow');
      }
      over.abort();
      await flow;
      for (const { seen, from } of joined) {
        await t.eventually(() => seen.payloads.at(-1) === next - 1, 'the last event to arrive');
        const expected = Array.from({ length: next - from }, (_, n) => from + n);
        const got = seen.payloads.filter((n) => n >= from);
        assertOrder(got, expected, `the subscription made before event ${from}`);
      }
    },
  },
]);
