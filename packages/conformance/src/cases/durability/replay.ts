import type { Engine } from '@polybus/core/engine';
import type { CaseContext } from '../../case-context.ts';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertCounts } from '../../support/stats.ts';
import { assertEach, assertOrder } from '../../support/arrivals.ts';
import { turns } from '../../support/eventually.ts';
import type { Recorder } from '../../support/recorder.ts';
import { roomy } from '../../support/subscriptions.ts';
import { numbers } from '../../support/numbers.ts';

const needs = { replay: true } as const;

/** In milliseconds since the epoch. Some brokers give small negative timestamps a special meaning. */
const pastTimes = [0, -1, -2, -3, -4, -5, -86_400_000, Date.UTC(-1, 0), -8.64e15];

/** Subscribes once from each of these times, each in a group of its own if `isGroup`. */
function subscribeFrom(
  t: CaseContext,
  engine: Engine,
  times: readonly number[],
  isGroup: boolean,
): Promise<Recorder<number>[]> {
  return Promise.all(
    times.map(async (time, n) => {
      const seen = t.record<number>();
      const options = { ...roomy, from: new Date(time), ...(isGroup ? { group: t.group(`from-${n}`) } : {}) };
      await t.within(engine.subscribe(t.topic(), seen.handler, options), `subscribe from ${time} to resolve`);
      return seen;
    }),
  );
}

/** Subscriptions that start with kept events. */
export const replayCases: readonly ConformanceCase[] = defineCases('replay', [
  {
    name: 'a subscription from earliest gets every kept event and every later event, in order and once',
    rules: [1],
    needs,
    async run(t) {
      const engine = await t.started();
      await t.publishNumbers(engine, t.topic(), 30);
      const seen = t.record<number>();
      await engine.subscribe(t.topic(), seen.handler, { ...roomy, from: 'earliest' });
      for (let n = 30; n < 50; n++) await t.publish(engine, t.topic(), n);
      await seen.ends(50);
      await t.quiet(engine);
      seen.assertOrder(numbers(50));
    },
  },
  {
    name: 'each new subscription from earliest gets every kept event and does not disturb the others',
    rules: [1, 5],
    needs,
    async run(t) {
      const engine = await t.started();
      const recorders = [];
      for (let round = 1; round <= 5; round++) {
        await t.publishNumbers(engine, t.topic(), 5);
        const seen = t.record<number>();
        await engine.subscribe(t.topic(), seen.handler, { ...roomy, from: 'earliest' });
        recorders.push(seen);
        await seen.ends(round * 5);
      }
      for (const seen of recorders) await seen.ends(25);
      await t.quiet(engine);
      const kept = numbers(25).map((n) => n % 5);
      for (const [n, seen] of recorders.entries()) seen.assertOrder(kept, `subscription ${n + 1} of 5`);
    },
  },
  {
    name: 'a subscription from a Date gets the events published from that time on',
    rules: [1],
    needs,
    async run(t) {
      const engine = await t.started();
      await t.publishNumbers(engine, t.topic(), 10);
      // The clock has a resolution of 1 ms, and the broker may have its own clock: leave a margin.
      const pause = Date.now();
      await t.eventually(() => Date.now() > pause + 20, 'the clock to move on');
      const from = new Date(pause + 10);
      for (let n = 10; n < 20; n++) await t.publish(engine, t.topic(), n);
      const seen = t.record<number>();
      await engine.subscribe(t.topic(), seen.handler, { ...roomy, from });
      await seen.ends(10);
      const [none, all] = [t.record<number>(), t.record<number>()];
      await engine.subscribe(t.topic(), none.handler, { ...roomy, from: new Date(Date.now() + 3_600_000) });
      await engine.subscribe(t.topic(), all.handler, { ...roomy, from: new Date(0) });
      await all.ends(20);
      await t.quiet(engine);
      seen.assertOrder(numbers(20).slice(10), 'the subscription from a Date between the events');
      all.assertOrder(numbers(20), 'the subscription from a Date before the events');
    },
  },
  ...['a subscription', 'a group'].map((who) => ({
    name: `${who} from a Date before the first event gets every kept event, for every Date back to the earliest`,
    rules: [1],
    needs: who === 'a group' ? { ...needs, groups: true } : needs,
    async run(t: CaseContext): Promise<void> {
      const engine = await t.started();
      await t.publishNumbers(engine, t.topic(), 3);
      const seen = await subscribeFrom(t, engine, pastTimes, who === 'a group');
      await t.publish(engine, t.topic(), 3);
      for (const one of seen) await one.ends(4);
      await t.quiet(engine);
      for (const [n, one] of seen.entries()) one.assertOrder(numbers(4), `${who} from ${pastTimes[n]}`);
    },
  })),
  ...['a subscription', 'a group'].map((who) => ({
    name: `${who} from a Date in the future gets no past event and every later event, for every Date up to the latest`,
    rules: [1],
    needs: who === 'a group' ? { ...needs, groups: true } : needs,
    async run(t: CaseContext): Promise<void> {
      const engine = await t.started();
      await t.publishNumbers(engine, t.topic(), 3);
      const future = [Date.now() + 3_600_000, Date.UTC(9999, 11, 31), 8.64e15];
      const seen = await subscribeFrom(t, engine, future, who === 'a group');
      await t.publish(engine, t.topic(), 3);
      for (const one of seen) await one.ends(1);
      await t.quiet(engine);
      for (const [n, one] of seen.entries()) one.assertOrder([3], `${who} from ${future[n]}`);
    },
  })),
  {
    name: 'a pattern subscription replays every matching topic, each in order',
    rules: [2],
    needs,
    async run(t) {
      const engine = await t.started();
      for (let n = 0; n < 20; n++) await t.publish(engine, t.topic(`a.topic-${n % 4}`), n);
      await t.publish(engine, t.topic('b'), 'not this');
      const seen = t.record<number>();
      await engine.subscribe(t.topic('a.*'), seen.handler, { ...roomy, from: 'earliest' });
      await seen.ends(20);
      await t.quiet(engine);
      seen.assertPayloads(numbers(20));
      for (let topic = 0; topic < 4; topic++) {
        const own = seen.payloads.filter((n) => n % 4 === topic);
        assertOrder(
          own,
          own.toSorted((x, y) => x - y),
          `the subscription, of topic ${topic},`,
        );
      }
    },
  },
  {
    name: 'no event is lost or delivered twice if events are published during a slow replay',
    rules: [1, 3, 7],
    needs,
    async run(t) {
      const engine = await t.started();
      await t.publishNumbers(engine, t.topic(), 40);
      const seen = t.record<number>(() => turns(1));
      // The buffer is smaller than the replay: replayed events must wait outside, even on an engine that drops when full.
      await engine.subscribe(t.topic(), seen.handler, { bufferSize: 5, from: 'earliest' });
      const publishing = numbers(20).map((n) => engine.publish({ topic: t.topic(), payload: 40 + n }));
      await t.within(Promise.all(publishing), 'publish to resolve');
      await seen.ends(60);
      await t.quiet(engine);
      seen.assertOrder(numbers(60));
      assertCounts(engine, { dropped: 0 });
    },
  },
  {
    name: 'an event with a createdAt in the past or the future does not disturb the replay of other events',
    rules: [1, 7],
    needs,
    async run(t) {
      const engine = await t.started();
      await t.publish(engine, t.topic(), 0);
      await t.publish(engine, t.topic(), 1, { createdAt: new Date(Date.now() + 100 * 365 * 86_400_000) });
      await t.publish(engine, t.topic(), 2, { createdAt: new Date(Date.now() - 1000) });
      await t.publish(engine, t.topic(), 3);
      const seen = t.record<number>();
      await engine.subscribe(t.topic(), seen.handler, { ...roomy, from: 'earliest' });
      await seen.ends(4);
      seen.assertOrder([0, 1, 2, 3]);
    },
  },
  {
    name: 'a new group starts at `from`, and a member that joins later gets no event again',
    rules: [1, 5],
    needs: { replay: true, groups: true },
    async run(t) {
      const engine = await t.started();
      await t.publishNumbers(engine, t.topic(), 20);
      const options = { ...roomy, group: t.group(), from: 'earliest' } as const;
      const [first, second] = [t.record<number>(), t.record<number>()];
      await engine.subscribe(t.topic(), first.handler, options);
      await first.ends(20);
      await engine.subscribe(t.topic(), second.handler, options);
      for (let n = 20; n < 40; n++) await t.publish(engine, t.topic(), n);
      await t.eventually(() => first.ended + second.ended >= 40, '40 events');
      await t.quiet(engine);
      assertEach([...first.payloads, ...second.payloads], numbers(40), 'both members together');
    },
  },
  {
    name: 'a group that returns continues where it stopped, without loss or duplicates',
    rules: [1, 4, 5],
    needs: { replay: true, groups: true },
    async run(t) {
      const engine = await t.started();
      const options = { ...roomy, group: t.group(), from: 'earliest' } as const;
      const seen = t.record<number>();
      for (let batch = 0; batch < 5; batch++) {
        const subscription = await engine.subscribe(t.topic(), seen.handler, options);
        for (let n = 0; n < 10; n++) await t.publish(engine, t.topic(), batch * 20 + n);
        await seen.ends(batch * 20 + 10);
        await t.within(subscription.cancel(), 'cancel to resolve');
        // The group has no member for these events.
        for (let n = 10; n < 20; n++) await t.publish(engine, t.topic(), batch * 20 + n);
      }
      await engine.subscribe(t.topic(), seen.handler, options);
      await seen.ends(100);
      await t.quiet(engine);
      seen.assertOrder(numbers(100));
    },
  },
  {
    name: 'a group whose last member left events unhandled gets them when it returns',
    rules: [4, 5, 7],
    needs: { replay: true, groups: true },
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const options = { ...roomy, group: t.group(), from: 'earliest' } as const;
      const [first, second] = [t.record<number>(() => gate.opened), t.record<number>()];
      const subscription = await engine.subscribe(t.topic(), first.handler, options);
      const publishing = numbers(5).map((n) =>
        engine.publish({ topic: t.topic(), payload: n, key: `key-${n % 2}` }),
      );
      await first.begins(1);
      await t.eventually(() => engine.stats().enqueued === 5, 'five events to be accepted');
      const cancelling = subscription.cancel();
      gate.open();
      await t.within(cancelling, 'cancel to resolve');
      await t.within(Promise.all(publishing), 'publish to resolve');
      await engine.subscribe(t.topic(), second.handler, options);
      await t.eventually(() => first.ended + second.ended >= 5, 'every event to be handled');
      await t.quiet(engine);
      assertEach([...first.payloads, ...second.payloads], numbers(5), 'both members together');
    },
  },
]);
