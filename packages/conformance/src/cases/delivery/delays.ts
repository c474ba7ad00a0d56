import assert from 'node:assert/strict';
import type { NewEvent, PublishOptions, UnsupportedCapabilityError } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import type { CaseContext } from '../../case-context.ts';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { numbers } from '../../support/numbers.ts';
import { rejectsWith } from '../../support/rejects.ts';
import { assertCounts } from '../../support/stats.ts';
import { roomy } from '../../support/subscriptions.ts';

/** Long enough for the next statements to run before the event is due, in milliseconds. */
const shortMs = 300;
/** Longer than any case lasts, in milliseconds. */
const longMs = 3_600_000;

function delayed(
  t: CaseContext,
  engine: Engine,
  event: Omit<NewEvent, 'topic'>,
  options: PublishOptions,
): Promise<void> {
  const publishing = engine.publish({ topic: t.topic(), ...event }, options);
  return t.within(publishing, 'publish of a delayed event to resolve');
}

/** Starts an engine, and subscribes a handler that records events. */
async function subscribed(t: CaseContext) {
  const engine = await t.started();
  const seen = t.record<number>();
  await engine.subscribe(t.topic(), seen.handler, roomy);
  return { engine, seen };
}

/** Subscribes a handler that compares the arrival of each number with the earliest time that `due` has for it. */
async function watchArrivals(t: CaseContext, engine: Engine, due: readonly number[]) {
  const early: string[] = [];
  const seen = t.record<number>(({ payload }) => {
    const left = due[payload]! - performance.now();
    if (left > 0) early.push(`${payload} by ${left} ms`);
  });
  await engine.subscribe(t.topic(), seen.handler, roomy);
  const assertNoneEarly = (): void => assert.deepEqual(early, [], 'no event arrives before its time');
  return { seen, assertNoneEarly };
}

/** The options `delayMs` and `at` of `publish`. */
export const delayCases: readonly ConformanceCase[] = defineCases('delays', [
  {
    name: 'a delayed event arrives when its `delayMs` is over, not earlier, with the fields that the publisher set',
    rules: [17],
    needs: { delay: true },
    async run(t) {
      const engine = await t.started();
      const due: number[] = [];
      const { seen, assertNoneEarly } = await watchArrivals(t, engine, due);
      const event = { id: `${t.id}-id`, key: 'k', metadata: { a: [1] }, createdAt: new Date(86_400_000) };
      due[0] = performance.now() + shortMs;
      await delayed(t, await t.elsewhere(engine), { ...event, payload: 0 }, { delayMs: shortMs });
      await seen.ends(1);
      assertNoneEarly();
      const { id, key, metadata, createdAt, topic } = seen.events[0]!;
      assert.deepEqual({ id, key, metadata, createdAt, topic }, { ...event, topic: t.topic() });
    },
  },
  {
    name: 'a delayed event arrives at the time of `at`, not earlier',
    rules: [17],
    needs: { delay: true },
    async run(t) {
      const engine = await t.started();
      const at = new Date(Date.now() + shortMs);
      let arrived = 0;
      const seen = t.record(() => {
        arrived = Date.now();
      });
      await engine.subscribe(t.topic(), seen.handler, roomy);
      await delayed(t, engine, { payload: 0 }, { at });
      await seen.ends(1);
      assert.ok(arrived >= at.getTime(), `it arrived ${at.getTime() - arrived} ms before its time`);
    },
  },
  {
    name: 'an event with `delayMs: 0` or with an `at` in the past is published at once',
    rules: [17],
    needs: { delay: true },
    async run(t) {
      const { engine, seen } = await subscribed(t);
      await delayed(t, engine, { payload: 0 }, { delayMs: 0 });
      await delayed(t, engine, { payload: 1 }, { at: new Date(0) });
      await t.publish(engine, t.topic(), 2);
      await seen.ends(3);
      seen.assertOrder([0, 1, 2]);
    },
  },
  {
    name: 'an event with a short delay arrives although 100 events with long delays were published before it',
    rules: [17],
    needs: { delay: true },
    async run(t) {
      const { engine, seen } = await subscribed(t);
      await Promise.all(
        numbers(100).map((n) =>
          delayed(t, engine, { payload: n, key: 'k' }, { delayMs: longMs - (n % 10) * 1000 }),
        ),
      );
      await delayed(t, engine, { payload: 100, key: 'k' }, { delayMs: shortMs });
      await seen.ends(1);
      seen.assertOrder([100]);
    },
  },
  {
    name: 'events of a key that are delayed until the same time arrive in publish order',
    rules: [3, 17],
    needs: { delay: true },
    async run(t) {
      const { engine, seen } = await subscribed(t);
      const at = new Date(Date.now() + 2 * shortMs);
      await Promise.all(numbers(30).map((n) => delayed(t, engine, { payload: n, key: 'k' }, { at })));
      await seen.ends(30);
      seen.assertOrder(numbers(30));
    },
  },
  {
    name: 'a delayed event takes its position in the order of its key when it is due',
    rules: [3, 17],
    needs: { delay: true },
    async run(t) {
      const { engine, seen } = await subscribed(t);
      await delayed(t, engine, { payload: 0, key: 'k' }, { delayMs: shortMs });
      await t.publish(engine, t.topic(), 1, { key: 'k' });
      await seen.ends(2);
      seen.assertOrder([1, 0]);
    },
  },
  {
    name: 'each of 1,000 delayed events arrives once and not early while two engines run',
    rules: [5, 17],
    needs: { delay: true },
    async run(t) {
      const engine = await t.started();
      const publisher = await t.elsewhere(engine);
      const due: number[] = [];
      const { seen, assertNoneEarly } = await watchArrivals(t, engine, due);
      await Promise.all(
        numbers(1000).map((n) => {
          const delayMs = 50 + ((n * 37) % 400);
          due[n] = performance.now() + delayMs;
          return delayed(
            t,
            n % 2 === 0 ? engine : publisher,
            { payload: n, key: `key-${n % 20}` },
            { delayMs },
          );
        }),
      );
      await t.eventually(
        () => new Set(seen.payloads).size === 1000,
        () => `1,000 events, not ${new Set(seen.payloads).size}`,
      );
      await t.quiet(engine);
      seen.assertPayloads(numbers(1000));
      assertNoneEarly();
    },
  },
  {
    name: 'a handler that waits for the delayed event that it published gets it in another subscription',
    rules: [3, 17],
    needs: { delay: true },
    async run(t) {
      const { engine, seen } = await subscribed(t);
      const waiting = t.record(async () => {
        await engine.publish({ topic: t.topic(), payload: 1 }, { delayMs: 20 });
        await seen.ends(1);
      });
      await engine.subscribe(t.topic('first'), waiting.handler, roomy);
      await t.publish(engine, t.topic('first'), 0);
      await waiting.ends(1);
    },
  },
  {
    name: 'the members of a group share the delayed events, and the events of a key stay in order',
    rules: [3, 5, 17],
    needs: { delay: true, groups: true },
    async run(t) {
      const engine = await t.started();
      const other = await t.elsewhere(engine);
      const seen = t.record<number>();
      const options = { ...roomy, group: t.group() };
      await engine.subscribe(t.topic(), seen.handler, options);
      await other.subscribe(t.topic(), seen.handler, options);
      const at = new Date(Date.now() + 2 * shortMs);
      const keyOf = (n: number): string => `key-${n % 5}`;
      await Promise.all(numbers(40).map((n) => delayed(t, engine, { payload: n, key: keyOf(n) }, { at })));
      await t.eventually(
        () => new Set(seen.payloads).size === 40,
        () => `40 events, not ${new Set(seen.payloads).size}`,
      );
      await t.quiet(engine);
      seen.assertPayloads(numbers(40), 'the group');
      seen.assertKeyOrder('the group');
    },
  },
  {
    name: 'a delayed event arrives although every engine had stopped while it waited',
    rules: [8, 17],
    needs: { delay: true, durable: true, groups: true },
    async run(t) {
      const engine = await t.started();
      const before = t.record<number>();
      const options = { ...roomy, group: t.group() };
      await engine.subscribe(t.topic(), before.handler, options);
      // The group has a position once it has settled an event.
      await t.publish(engine, t.topic(), 0);
      await before.ends(1);
      const due = performance.now() + 2 * shortMs;
      await delayed(t, engine, { payload: 1 }, { delayMs: 2 * shortMs });
      await t.within(engine.stop(), 'stop to resolve');
      await t.eventually(() => performance.now() > due, 'the delay to be over');
      const seen = t.record<number>();
      const later = await t.started();
      await later.subscribe(t.topic(), seen.handler, options);
      await seen.ends(1);
      seen.assertOrder([1], 'the group');
    },
  },
  {
    name: 'a delayed event arrives after a restart of the broker',
    rules: [9, 17],
    needs: { delay: true, durable: true, crossProcess: true },
    isDisruptive: true,
    async run(t) {
      const { engine, seen } = await subscribed(t);
      await delayed(t, engine, { payload: 1 }, { delayMs: 3000 });
      await t.broker.restart();
      await t.eventually(() => seen.payloads.includes(1), 'the delayed event to arrive');
    },
  },
  {
    name: 'publish() refuses an invalid `delayMs` or `at`, and both together',
    rules: [12],
    async run(t) {
      const engine = await t.started();
      const wrong = [
        ...[-1, Number.NaN, Number.POSITIVE_INFINITY, 1e300, '5s', null].map((delayMs) => ({ delayMs })),
        ...[new Date(Number.NaN), 5, '2030-01-01', null].map((at) => ({ at })),
        { delayMs: 1, at: new Date() },
      ] as PublishOptions[];
      for (const options of wrong) {
        const call = () => engine.publish({ topic: t.topic(), payload: 1 }, options);
        await rejectsWith(call, 'INVALID_OPTION');
      }
      assertCounts(engine, { published: 0 });
    },
  },
  {
    name: 'an engine without the capability `delay` refuses the options `delayMs` and `at` and names the option, the engine and engines that support it',
    rules: [10],
    needs: { delay: false },
    async run(t) {
      const engine = await t.started();
      const now = new Date();
      for (const options of [{ delayMs: 10 }, { delayMs: 0 }, { at: now }]) {
        const [option] = Object.keys(options) as [string];
        const call = () => engine.publish({ topic: t.topic(), payload: 1 }, options);
        const error = await rejectsWith(call, 'UNSUPPORTED_CAPABILITY', option, 'durable-memory');
        assert.equal((error as UnsupportedCapabilityError).option, option);
        assert.ok(error.engine !== undefined && error.message.includes(error.engine), error.message);
      }
      assertCounts(engine, { published: 0 });
    },
  },
]);
