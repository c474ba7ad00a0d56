import assert from 'node:assert/strict';
import type { EventHandler } from '@polybus/core';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertCounts } from '../../support/stats.ts';
import { assertEach, assertOrder } from '../../support/arrivals.ts';
import { turns } from '../../support/eventually.ts';
import { attempts, roomy } from '../../support/subscriptions.ts';
import { numbers } from '../../support/numbers.ts';

/** Takes longer for some events than for others, so that events overtake each other unless the engine prevents it. */
const uneven: EventHandler<number> = async (event) => turns((event.payload * 7) % 5);

/** What the orders of attempts, such as 'a0.2' for the second attempt at event 0 of key "a", are of. */
const attemptsOfEvents = 'the handler, by event and attempt,';

/** Order and concurrency. */
export const orderCases: readonly ConformanceCase[] = defineCases('order', [
  {
    name: 'a sync subscription handles one event at a time in publish order',
    rules: [3],
    async run(t) {
      const engine = await t.started();
      const seen = t.record<number>(uneven);
      await engine.subscribe(t.topic(), seen.handler, roomy);
      const publisher = await t.elsewhere(engine);
      await Promise.all(Array.from({ length: 50 }, (_, n) => t.publish(publisher, t.topic(), n)));
      await seen.ends(50);
      seen.assertOrder(numbers(50));
      seen.assertMostRunning(1);
    },
  },
  {
    name: 'a sync subscription starts no event while another is unfinished',
    rules: [3, 4],
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const seen = t.record(() => gate.opened);
      await engine.subscribe(t.topic(), seen.handler, roomy);
      const publishing = [
        engine.publish({ topic: t.topic(), payload: 1 }),
        engine.publish({ topic: t.topic(), payload: 2 }),
      ];
      await seen.begins(1);
      await t.quiet(engine);
      seen.assertOrder([1]);
      gate.open();
      await seen.ends(2);
      await t.within(Promise.all(publishing), 'publish to resolve');
    },
  },
  {
    name: 'an async subscription handles the events of a key in order and one at a time',
    rules: [3],
    async run(t) {
      const engine = await t.started();
      const seen = t.record<number>(uneven);
      await engine.subscribeAsync(t.topic(), seen.handler, { ...roomy, concurrency: 4 });
      await t.publishNumbers(await t.elsewhere(engine), t.topic(), 200, (n) => ({
        key: `key-${Math.floor(n / 4) % 16}`,
      }));
      await seen.ends(200);
      seen.assertKeyOrder();
      seen.assertPayloads(numbers(200));
    },
  },
  {
    name: 'each of 10 subscriptions handles every key in the same order',
    rules: [3, 5],
    async run(t) {
      const engine = await t.started();
      const recorders = Array.from({ length: 10 }, () =>
        t.record<number>(({ payload }) => turns(payload % 3)),
      );
      for (const [n, seen] of recorders.entries()) {
        if (n % 2 === 0) await engine.subscribe(t.topic(), seen.handler, roomy);
        else await engine.subscribeAsync(t.topic(), seen.handler, { ...roomy, concurrency: 3 });
      }
      await t.publishNumbers(await t.elsewhere(engine), t.topic(), 64, (n) => ({
        key: `class-${Math.floor(n / 4) % 16}`,
      }));
      for (const [n, seen] of recorders.entries()) {
        await seen.ends(64);
        seen.assertKeyOrder(`subscription ${n + 1} of 10`);
        seen.assertPayloads(numbers(64), `subscription ${n + 1} of 10`);
      }
    },
  },
  {
    name: 'an async subscription handles up to `concurrency` events at once, and never more',
    rules: [3],
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const seen = t.record<number>(() => gate.opened);
      await engine.subscribeAsync(t.topic(), seen.handler, { ...roomy, concurrency: 3 });
      await t.publishNumbers(engine, t.topic(), 8);
      await t.eventually(() => seen.running === 3, 'three handlers to run at once');
      await t.quiet(engine);
      gate.open();
      await seen.ends(8);
      seen.assertMostRunning(3);
    },
  },
  {
    name: 'on a sync subscription, no later event of the topic overtakes an event that is being retried',
    rules: [3],
    async run(t) {
      const engine = await t.started();
      const log: string[] = [];
      const seen = t.record<number>((event, { attempt }) => {
        log.push(`${event.payload}.${attempt}`);
        if (event.payload === 0 && attempt < 3) throw new Error('not yet');
      });
      await engine.subscribe(t.topic(), seen.handler, { ...roomy, retry: attempts(3) });
      await Promise.all([0, 1, 2].map((n) => t.publish(engine, t.topic(), n)));
      await seen.ends(5);
      assertOrder(log, ['0.1', '0.2', '0.3', '1.1', '2.1'], attemptsOfEvents);
    },
  },
  {
    name: 'no later event of the key overtakes an event that is being retried; events of other keys do',
    rules: [3],
    async run(t) {
      const engine = await t.started();
      const log: string[] = [];
      const others = t.gate();
      const seen = t.record<number>(async (event, { attempt }) => {
        log.push(`${event.key}${event.payload}.${attempt}`);
        if (event.key === 'a' && event.payload === 0 && attempt === 1) throw new Error('not yet');
        // The retry of key "a" ends only after an event of key "b" was handled.
        if (event.key === 'a' && event.payload === 0) await others.opened;
        if (event.key === 'b') others.open();
      });
      await engine.subscribeAsync(t.topic(), seen.handler, { ...roomy, concurrency: 2, retry: attempts(3) });
      await t.publish(engine, t.topic(), 0, { key: 'a' });
      await t.publish(engine, t.topic(), 1, { key: 'a' });
      await t.publish(engine, t.topic(), 2, { key: 'b' });
      await seen.ends(4);
      const ofA = log.filter((entry) => entry.startsWith('a'));
      assertOrder(ofA, ['a0.1', 'a0.2', 'a1.1'], attemptsOfEvents);
    },
  },
  {
    name: 'order per key holds while many events fail and are retried',
    rules: [3, 6],
    async run(t) {
      const engine = await t.started();
      const succeeded: number[] = [];
      const seen = t.record<number>(async ({ payload }, { attempt }) => {
        await turns(payload % 3);
        if (attempt <= payload % 3) throw new Error('not yet');
        succeeded.push(payload);
      });
      await engine.subscribeAsync(t.topic(), seen.handler, { ...roomy, concurrency: 4, retry: attempts(4) });
      await t.publishNumbers(engine, t.topic(), 60, (n) => ({ key: `key-${Math.floor(n / 4) % 5}` }));
      await t.eventually(
        () => succeeded.length >= 60,
        () => `every event to succeed; ${succeeded.length} of 60 did`,
      );
      seen.assertKeyOrder();
      assertEach(succeeded, numbers(60), 'the handler in an attempt that succeeds');
      await t.eventually(() => engine.stats().pending === 0, 'nothing to be pending');
      assert.equal(engine.stats().retried, 60, '60 = 20 * (0 + 1 + 2)');
      assertCounts(engine, { failed: 0 });
    },
  },
  {
    name: 'events of one key published without awaiting arrive in the order of the calls',
    rules: [3],
    async run(t) {
      const engine = await t.started();
      const seen = t.record<number>();
      await engine.subscribe(t.topic(), seen.handler, roomy);
      const publisher = await t.elsewhere(engine);
      const calls = Array.from({ length: 100 }, (_, n) =>
        publisher.publish({ topic: t.topic(), payload: n, key: 'one' }),
      );
      await t.within(Promise.all(calls), 'publish to resolve');
      await seen.ends(100);
      seen.assertOrder(numbers(100));
    },
  },
]);
