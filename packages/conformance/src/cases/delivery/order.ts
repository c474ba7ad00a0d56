import assert from 'node:assert/strict';
import type { EventHandler } from '@polybus/core';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { turns } from '../../support/eventually.ts';
import { attempts, roomy } from '../../support/subscriptions.ts';

/** Takes longer for some events than for others, so that events overtake each other unless the engine prevents it. */
const uneven: EventHandler<number> = async (event) => turns((event.payload * 7) % 5);

/** Records a violation if two events of one key are handled at the same time or out of order. */
class KeyWatch {
  readonly #busy = new Set<string>();
  readonly #last = new Map<string, number>();
  readonly violations: string[] = [];

  async watch(key: string, n: number, work: () => Promise<void>): Promise<void> {
    if (this.#busy.has(key)) this.violations.push(`${key}: ${n} began while another was handled`);
    const last = this.#last.get(key) ?? -1;
    if (n <= last) this.violations.push(`${key}: ${n} began after ${last}`);
    this.#last.set(key, n);
    this.#busy.add(key);
    try {
      await work();
    } finally {
      this.#busy.delete(key);
    }
  }
}

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
      assert.deepEqual(
        seen.payloads,
        Array.from({ length: 50 }, (_, n) => n),
      );
      assert.equal(seen.mostRunning, 1);
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
      assert.deepEqual(seen.payloads, [1]);
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
      const watch = new KeyWatch();
      const seen = t.record<number>((event) =>
        watch.watch(event.key!, event.payload, async () => void (await uneven(event, null!))),
      );
      await engine.subscribeAsync(t.topic(), seen.handler, { ...roomy, concurrency: 4 });
      await t.publishNumbers(await t.elsewhere(engine), t.topic(), 200, (n) => ({
        key: `key-${Math.floor(n / 4) % 16}`,
      }));
      await seen.ends(200);
      assert.deepEqual(watch.violations, []);
      seen.assertPayloads(Array.from({ length: 200 }, (_, n) => n));
    },
  },
  {
    name: 'each of 10 subscriptions handles every key in the same order',
    rules: [3, 5],
    async run(t) {
      const engine = await t.started();
      const watched = Array.from({ length: 10 }, () => {
        const watch = new KeyWatch();
        const handler: EventHandler<number> = (event) =>
          watch.watch(event.key!, event.payload, () => turns(event.payload % 3));
        return { watch, seen: t.record<number>(handler) };
      });
      for (const [n, { seen }] of watched.entries()) {
        if (n % 2 === 0) await engine.subscribe(t.topic(), seen.handler, roomy);
        else await engine.subscribeAsync(t.topic(), seen.handler, { ...roomy, concurrency: 3 });
      }
      await t.publishNumbers(await t.elsewhere(engine), t.topic(), 64, (n) => ({
        key: `class-${Math.floor(n / 4) % 16}`,
      }));
      for (const { watch, seen } of watched) {
        await seen.ends(64);
        assert.deepEqual(watch.violations, []);
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
      assert.equal(seen.running, 3);
      gate.open();
      await seen.ends(8);
      assert.equal(seen.mostRunning, 3);
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
      assert.deepEqual(log, ['0.1', '0.2', '0.3', '1.1', '2.1']);
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
      assert.deepEqual(
        log.filter((entry) => entry.startsWith('a')),
        ['a0.1', 'a0.2', 'a1.1'],
      );
    },
  },
  {
    name: 'order per key holds while many events fail and are retried',
    rules: [3, 6],
    async run(t) {
      const engine = await t.started();
      const watch = new KeyWatch();
      const ended = new Map<string, number[]>();
      const seen = t.record<number>(async (event, { attempt }) => {
        const work = async (): Promise<void> => {
          await turns(event.payload % 3);
          if (attempt <= event.payload % 3) throw new Error('not yet');
          ended.set(event.key!, [...(ended.get(event.key!) ?? []), event.payload]);
        };
        if (attempt === 1) await watch.watch(event.key!, event.payload, work);
        else await work();
      });
      await engine.subscribeAsync(t.topic(), seen.handler, { ...roomy, concurrency: 4, retry: attempts(4) });
      await t.publishNumbers(engine, t.topic(), 60, (n) => ({ key: `key-${Math.floor(n / 4) % 5}` }));
      await t.eventually(() => [...ended.values()].flat().length === 60, 'every event to succeed');
      assert.deepEqual(watch.violations, []);
      for (const numbers of ended.values())
        assert.deepEqual(
          numbers,
          [...numbers].sort((a, b) => a - b),
        );
      await t.eventually(() => engine.stats().pending === 0, 'nothing to be pending');
      assert.equal(engine.stats().retried, 60, '60 = 20 * (0 + 1 + 2)');
      assert.equal(engine.stats().failed, 0);
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
      assert.deepEqual(
        seen.payloads,
        Array.from({ length: 100 }, (_, n) => n),
      );
    },
  },
]);
