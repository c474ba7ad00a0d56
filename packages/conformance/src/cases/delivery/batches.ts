import assert from 'node:assert/strict';
import { type BatchHandler, type TypedEventBus, createEventBus } from '@polybus/core';
import type { CaseContext } from '../../case-context.ts';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertEach, assertOrder } from '../../support/arrivals.ts';
import { attempts, roomy } from '../../support/subscriptions.ts';

type Bus = TypedEventBus<Record<string, unknown>>;

async function startedBus(t: CaseContext): Promise<Bus> {
  const bus = createEventBus({ engines: [{ name: 'own', engine: await t.engine() }] });
  await t.within(bus.start(), 'start to resolve');
  return bus;
}

async function publish(t: CaseContext, bus: Bus, payload: number, key: string): Promise<void> {
  await t.within(bus.publish(t.topic(), payload, { key }), 'publish to resolve');
}

/** What `bus.subscribeBatch()` requires of an engine. */
export const batchCases: readonly ConformanceCase[] = defineCases('batches', [
  {
    name: 'a batch subscription gets each event once, in batches of at most maxSize, and in order per key',
    rules: [3, 7],
    async run(t) {
      const bus = await startedBus(t);
      const batches: number[][] = [];
      const perKey = new Map<string, number[]>();
      const handle: BatchHandler = (events) => {
        batches.push(events.map(({ payload }) => payload as number));
        for (const { key, payload } of events)
          perKey.set(key!, [...(perKey.get(key!) ?? []), payload as number]);
      };
      await bus.subscribeBatch(t.topic(), handle, { ...roomy, maxSize: 4, maxWaitMs: 50 });
      for (let n = 0; n < 30; n++) await publish(t, bus, n, `key-${n % 3}`);
      await t.eventually(
        () => bus.stats().delivered === 30,
        () => `30 events; ${JSON.stringify(batches)}`,
      );
      assertEach(
        batches.flat(),
        Array.from({ length: 30 }, (_, n) => n),
        'the batch handler',
      );
      assert.ok(Math.max(...batches.map(({ length }) => length)) <= 4, JSON.stringify(batches));
      assert.ok(batches.length < 30, 'each event was a batch of its own');
      for (const [key, payloads] of perKey)
        assertOrder(
          payloads,
          payloads.toSorted((a, b) => a - b),
          `the batch handler, for ${key},`,
        );
      await t.within(bus.stop(), 'stop to resolve');
    },
  },
  {
    name: 'an event that fails in a batch is retried and dead-lettered alone, and later events of its key stay behind it',
    rules: [3, 6],
    async run(t) {
      const bus = await startedBus(t);
      const handled: string[] = [];
      const dead = t.record<number>();
      await bus.subscribe(t.topic('dead'), dead.handler as never, roomy);
      const handle: BatchHandler = (events, context) => {
        for (const event of events) {
          handled.push(`${String(event.payload)}.${context.attemptOf(event)}`);
          if (event.payload === 1) context.fail(event, new Error('bad'));
        }
      };
      await bus.subscribeBatch(t.topic(), handle, {
        ...roomy,
        maxSize: 10,
        maxWaitMs: 50,
        retry: attempts(2),
        deadLetter: t.topic('dead'),
      });
      await publish(t, bus, 0, 'a');
      await publish(t, bus, 1, 'a');
      await publish(t, bus, 2, 'a');
      await dead.ends(1);
      await t.eventually(
        () => handled.includes('2.1') && handled.includes('1.2') && bus.stats().delivered === 4,
        () => `the rest to be handled: ${handled.join(', ')}; ${JSON.stringify(bus.stats())}`,
      );
      dead.assertOrder([1]);
      assert.ok(handled.lastIndexOf('2.1') > handled.indexOf('1.2'), handled.join(', '));
      assert.deepEqual([...new Set(handled)].toSorted(), ['0.1', '1.1', '1.2', '2.1']);
      await t.within(bus.stop(), 'stop to resolve');
    },
  },
  {
    name: 'the events of a batch that is not finished when its member stops go to another member, and the handled ones do not',
    rules: [4, 5],
    needs: { durable: true, groups: true },
    async run(t) {
      const bus = await startedBus(t);
      const group = t.group();
      const gate = t.gate();
      const batches: number[][] = [];
      const handle: BatchHandler = (events) => {
        batches.push(events.map(({ payload }) => payload as number));
        return batches.length === 1 ? undefined : gate.opened;
      };
      await bus.subscribeBatch(t.topic(), handle, { ...roomy, group, maxSize: 3, maxWaitMs: 600_000 });
      for (let n = 0; n < 8; n++) await publish(t, bus, n, 'k');
      await t.eventually(
        () => batches.length === 2 && bus.stats().pending === 5,
        () => `the second batch to begin; ${JSON.stringify(batches)}`,
      );
      await t.within(
        assert.rejects(bus.stop({ timeoutMs: 20 }), { code: 'SHUTDOWN_TIMEOUT' }),
        'stop to settle',
      );
      const seen = t.record<number>();
      await (await t.started()).subscribe(t.topic(), seen.handler, { ...roomy, group });
      await seen.ends(5);
      seen.assertOrder([3, 4, 5, 6, 7]);
      gate.open();
    },
  },
]);
