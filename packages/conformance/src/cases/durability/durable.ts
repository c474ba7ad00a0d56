import assert from 'node:assert/strict';
import type { SubscribeOptions } from '@polybus/core';
import type { CaseContext } from '../../case-context.ts';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertCounts } from '../../support/stats.ts';
import { assertEach } from '../../support/arrivals.ts';
import type { Recorder } from '../../support/recorder.ts';
import { turns } from '../../support/eventually.ts';
import { attempts, roomy } from '../../support/subscriptions.ts';
import { numbers } from '../../support/numbers.ts';

const needs = { durable: true, groups: true } as const;

/**
 * Stops a group member that has handled 20 events of other keys behind one event that is not settled. `next` asserts that another
 * member then gets exactly the events that were not handled.
 */
async function stopsWithAll(
  t: CaseContext,
  first: Recorder<number>,
  options: SubscribeOptions,
): Promise<{ stopping: Promise<void>; next: (handled: () => readonly number[]) => Promise<void> }> {
  const [engine, other] = [await t.started(), await t.started()];
  await engine.subscribeAsync(t.topic(), first.handler, options);
  const count = 24;
  // Three more events have the key of the first event and wait for it.
  await t.publishNumbers(other, t.topic(), count, (n) => ({ key: n < 4 ? 'one' : `key-${n}` }));
  await t.eventually(() => first.calls.length === count - 3, 'the events of all other keys to be handled');
  await t.eventually(() => first.running <= 1, 'the events of all other keys to be handled');
  return {
    stopping: engine.stop(),
    next: async (handled) => {
      const second = t.record<number>();
      await other.subscribeAsync(t.topic(), second.handler, options);
      await second.ends(count - handled().length);
      await t.quiet(other);
      const left = numbers(count).filter((n) => !handled().includes(n));
      second.assertPayloads(left, 'the next member');
    },
  };
}

/** Engines that keep events. The suite runs in one process and cannot kill it, so it uses a stop that abandons its handlers. */
export const durableCases: readonly ConformanceCase[] = defineCases('durable', [
  {
    name: 'each of 1,000 awaited publishes to an async subscription with a small buffer is handled or counted as dropped; a durable engine drops none',
    rules: [4, 7],
    async run(t) {
      const engine = await t.started();
      const seen = t.record<number>(() => turns(1));
      await engine.subscribeAsync(t.topic(), seen.handler, { bufferSize: 5, concurrency: 2 });
      for (let from = 0; from < 1000; from += 100) {
        const some = numbers(100).map((n) => t.publish(engine, t.topic(), from + n));
        await Promise.all(some);
      }
      const left = (): number => 1000 - seen.ended - engine.stats().dropped;
      await t.eventually(
        () => left() <= 0,
        () => `${left()} more of 1000 to be handled or dropped`,
      );
      assert.equal(left(), 0, 'more than were published');
      if (!engine.capabilities.durable) return;
      assert.equal(engine.stats().dropped, 0, 'a durable engine dropped accepted events');
      seen.assertPayloads(numbers(1000));
    },
  },
  {
    name: 'an event is acknowledged only after its handler ends: if stop() gives up waiting for the handler, the event is delivered again',
    rules: [4, 7],
    needs,
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const options = { ...roomy, group: t.group(), retry: attempts(5) };
      const hung = t.record<number>(() => gate.opened);
      await engine.subscribeAsync(t.topic(), hung.handler, { ...options, concurrency: 2 });
      const other = await t.started();
      await t.publishNumbers(other, t.topic(), 6);
      await hung.begins(2);
      await engine.stop({ timeoutMs: 0 }).catch(() => {});
      const seen = t.record<number>();
      await other.subscribe(t.topic(), seen.handler, options);
      await seen.ends(6);
      await t.quiet(other);
      seen.assertPayloads(numbers(6), 'the next member');
      assert.equal(new Set([...hung.ids, ...seen.ids]).size, 6, 'an event came back with another id');
    },
  },
  {
    name: 'an event whose handler was abandoned is redelivered as attempt 1 or 2',
    rules: [4, 6],
    needs,
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const options = { ...roomy, group: t.group(), retry: attempts(5) };
      const hung = t.record(() => gate.opened);
      await engine.subscribe(t.topic(), hung.handler, options);
      await t.publish(engine, t.topic(), 1);
      await hung.begins(1);
      await engine.stop({ timeoutMs: 0 }).catch(() => {});
      const other = await t.started();
      const seen = t.record();
      await other.subscribe(t.topic(), seen.handler, options);
      await seen.ends(1);
      assert.ok(seen.calls[0]!.context.attempt <= 2);
    },
  },
  {
    name: 'an event that stop() releases before its handler starts has used no attempt and is handled by another member',
    rules: [4, 6, 8],
    needs,
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const options = { ...roomy, group: t.group(), retry: false, deadLetter: t.topic('dead') } as const;
      const [busy, dead] = [t.record<number>(() => gate.opened), t.record()];
      await engine.subscribe(t.topic(), busy.handler, options);
      const other = await t.started();
      await other.subscribe(t.topic('dead'), dead.handler, roomy);
      await t.publishNumbers(other, t.topic(), 5);
      await t.eventually(
        () => busy.calls.length === 1 && engine.stats().enqueued >= 1,
        'the first event to be handled',
      );
      const stopping = engine.stop();
      gate.open();
      await t.within(stopping, 'stop to resolve');
      const seen = t.record<number>();
      await other.subscribe(t.topic(), seen.handler, options);
      await t.eventually(() => busy.ended + seen.ended >= 5, 'every event to be handled');
      await t.quiet(other);
      dead.assertCalls(0, 'the subscription to dead letters');
      assertEach([...busy.payloads, ...seen.payloads], numbers(5), 'both members together');
    },
  },
  {
    name: 'an event that waits for its key when its member stops does not cause redelivery of later events already handled',
    rules: [4, 5, 8],
    needs,
    async run(t) {
      const gate = t.gate();
      const first = t.record<number>(({ payload }) => (payload === 0 ? gate.opened : undefined));
      const { stopping, next } = await stopsWithAll(t, first, { ...roomy, group: t.group(), concurrency: 8 });
      gate.open();
      await t.within(stopping, 'stop to resolve');
      await next(() => first.payloads);
    },
  },
  {
    name: 'an event that waits for a retry when its member stops does not cause redelivery of later events already handled',
    rules: [4, 5, 6, 8],
    needs,
    async run(t) {
      const first = t.record<number>(({ payload }) => {
        if (payload === 0) throw new Error('not here');
      });
      const backoff = { initialMs: 600_000, maxMs: 600_000, jitter: 'none' } as const;
      const options = { ...roomy, group: t.group(), concurrency: 8, retry: { attempts: 5, backoff } };
      const { stopping, next } = await stopsWithAll(t, first, options);
      await t.within(stopping, 'stop to resolve');
      await next(() => first.payloads.filter((payload) => payload > 0));
    },
  },
  {
    name: 'a group gets every event published while it had no members, over five absences',
    rules: [4, 5],
    needs,
    async run(t) {
      const publisher = await t.started();
      const seen = t.record<number>();
      const options = { ...roomy, group: t.group() };
      for (let batch = 0; batch < 5; batch++) {
        const engine = await t.started();
        await engine.subscribe(t.topic(), seen.handler, options);
        for (let n = 0; n < 20; n++) {
          if (n === 10) await t.within(engine.stop(), 'stop to resolve');
          await t.publish(publisher, t.topic(), batch * 20 + n);
        }
      }
      const last = await t.started();
      await last.subscribe(t.topic(), seen.handler, options);
      await t.eventually(
        () => new Set(seen.payloads).size === 100,
        () => `100 events, not ${new Set(seen.payloads).size}`,
      );
      await t.quiet(last);
      seen.assertPayloads(numbers(100), 'the group');
    },
  },
  {
    name: 'an event survives its publisher: after publish() resolves, the publisher can stop at once, and a group reads every event',
    rules: [4, 8],
    needs,
    async run(t) {
      const reader = await t.started();
      const options = { ...roomy, group: t.group() };
      const place = await reader.subscribe(t.topic(), () => {}, options);
      await t.within(place.cancel(), 'cancel to resolve');
      const publishers = await Promise.all([t.started(), t.started()]);
      await Promise.all(
        publishers.map(async (publisher, index) => {
          const calls = numbers(100).map((n) =>
            publisher.publish({ topic: t.topic(), payload: index * 100 + n }),
          );
          await t.within(Promise.all(calls), 'publish to resolve');
          await t.within(publisher.stop(), 'stop to resolve');
        }),
      );
      const seen = t.record<number>();
      await reader.subscribe(t.topic(), seen.handler, options);
      await seen.ends(200);
      seen.assertPayloads(numbers(200), 'the group');
    },
  },
  {
    name: 'an event is acknowledged after its dead letter is written, and its key waits for that',
    rules: [4, 6],
    needs,
    async run(t) {
      const engine = await t.started();
      const dead = t.record<number>();
      await engine.subscribe(`_dead.${t.topic()}`, dead.handler, roomy);
      const seen = t.record<number>(({ payload }) => {
        if (payload < 3) throw new Error('always');
      });
      await engine.subscribe(t.topic(), seen.handler, {
        ...roomy,
        group: t.group(),
        retry: attempts(2),
        deadLetter: true,
      });
      await t.publishNumbers(engine, t.topic(), 4, () => ({ key: 'one' }));
      await t.eventually(() => seen.payloads.includes(3), 'the next event of the key to be handled');
      assertCounts(engine, { deadLettered: 3 });
      await dead.ends(3);
    },
  },
]);
