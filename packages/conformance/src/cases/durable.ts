import assert from 'node:assert/strict';
import { type ConformanceCase, defineCases } from '../conformance-case.ts';
import { attempts, roomy } from '../subscriptions.ts';

const needs = { durable: true, groups: true } as const;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** Engines that keep events. Killing a process is beyond a suite in one process: giving up on it is the next best. */
export const durableCases: readonly ConformanceCase[] = defineCases('durable', [
  {
    name: 'an event is acknowledged only after its handler has settled: one that was given up is delivered again',
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
      seen.assertPayloads(numbers(6));
      assert.equal(new Set([...hung.ids, ...seen.ids]).size, 6, 'an event came back with another id');
    },
  },
  {
    name: 'a handler that had begun but never settled sees its event count as another attempt, or as the first again',
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
    name: 'an event whose handler never began is no attempt: given back at stop, it is handled even with one attempt allowed',
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
      assert.equal(dead.calls.length, 0);
      assert.deepEqual(
        [...busy.payloads, ...seen.payloads].sort((a, b) => a - b),
        numbers(5),
      );
    },
  },
  {
    name: 'a group gets what was published while none of its members was there, without loss over five absences',
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
      seen.assertPayloads(numbers(100));
    },
  },
  {
    name: 'what a publisher was told is published survives it: it stops at once, and a group reads everything',
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
      seen.assertPayloads(numbers(200));
    },
  },
  {
    name: 'an event is not acknowledged before its dead letter is written, and its key waits for that',
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
      await t.eventually(() => seen.payloads.includes(3), 'the key to go on');
      assert.equal(engine.stats().deadLettered, 3);
      await dead.ends(3);
    },
  },
]);
