import assert from 'node:assert/strict';
import type { ShutdownTimeoutError } from '@polybus/core';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { turns } from '../../support/eventually.ts';
import { rejection, rejectsWith } from '../../support/rejects.ts';
import { assertCounts, assertConserved } from '../../support/stats.ts';
import { attempts, roomy } from '../../support/subscriptions.ts';

/** The timeout errors of `stop`: one per engine, which a router combines in an AggregateError. */
function shutdownTimeouts(error: unknown): ShutdownTimeoutError[] {
  const errors = error instanceof AggregateError ? error.errors : [error];
  for (const one of errors) assert.equal((one as { code?: unknown }).code, 'SHUTDOWN_TIMEOUT', String(one));
  return errors as ShutdownTimeoutError[];
}

/** Stopping an engine that has work. */
export const stopCases: readonly ConformanceCase[] = defineCases('stop', [
  {
    name: 'stop() waits for running handlers',
    rules: [8],
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const seen = t.record(() => gate.opened);
      await engine.subscribe(t.topic(), seen.handler);
      await engine.subscribeAsync(t.topic(), seen.handler);
      const publishing = engine.publish({ topic: t.topic(), payload: 1 });
      await seen.begins(2);
      let isStopped = false;
      const stopping = engine.stop().then(() => (isStopped = true));
      await turns(5);
      assert.equal(isStopped, false, 'stop resolved while handlers were running');
      gate.open();
      await t.within(stopping, 'stop to resolve');
      assert.equal(seen.ended, 2);
      assert.ok(
        seen.calls.every(({ context }) => !context.signal.aborted),
        'a handler that finished was aborted',
      );
      await t.within(publishing, 'publish to resolve');
      assertCounts(engine, { delivered: 2 });
    },
  },
  {
    name: 'stop() of an engine that is not durable handles every accepted event first',
    rules: [7, 8],
    needs: { durable: false },
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const work = async (): Promise<void> => {
        await gate.opened;
        await turns(1);
      };
      const [sync, async] = [t.record<number>(work), t.record<number>(work)];
      await engine.subscribe(t.topic(), sync.handler, roomy);
      await engine.subscribeAsync(t.topic(), async.handler, { ...roomy, concurrency: 2 });
      const publishing = Array.from({ length: 20 }, (_, n) =>
        engine.publish({ topic: t.topic(), payload: n }),
      );
      await t.eventually(() => engine.stats().enqueued === 40, '40 events to be accepted');
      const stopping = engine.stop();
      gate.open();
      await t.within(stopping, 'stop to resolve');
      await t.within(Promise.all(publishing), 'publish to resolve');
      assert.equal(sync.ended, 20);
      assert.equal(async.ended, 20);
      assertCounts(engine, { delivered: 40 });
    },
  },
  {
    name: 'stop() gives up after its timeout: it aborts handler signals, reports what was left, and stops',
    rules: [7, 8],
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const reasons: unknown[] = [];
      const seen = t.record<number>(async (_, { signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason));
        await gate.opened;
      });
      const subscription = await engine.subscribe(t.topic('sync'), seen.handler, roomy);
      await engine.subscribeAsync(t.topic('async'), seen.handler, { ...roomy, concurrency: 2 });
      const publishing = ['sync', 'sync', 'async', 'async', 'async'].map((name) =>
        engine.publish({ topic: t.topic(name), payload: 1 }),
      );
      await seen.begins(3);
      await t.eventually(() => engine.stats().enqueued === 5, 'five events to be accepted');
      const stopping = rejection(() => engine.stop({ timeoutMs: 20 }), 'SHUTDOWN_TIMEOUT');
      const errors = shutdownTimeouts(await t.within(stopping, 'stop to settle'));
      const sum = (count: 'inFlight' | 'queued'): number =>
        errors.reduce((total, error) => total + error[count], 0);
      assert.ok(
        errors.some(({ message }) => message.includes(subscription.id)),
        'names no subscription that was left',
      );
      assert.equal(sum('inFlight'), 3);
      // A durable engine may have released queued events before the timeout.
      assert.ok(
        engine.capabilities.durable ? sum('queued') <= 2 : sum('queued') === 2,
        `queued: ${sum('queued')}`,
      );
      assert.equal(reasons.length, 3);
      assert.ok(seen.calls.every(({ context }) => context.signal.aborted));
      const health = await engine.health();
      assert.equal(health.state, 'stopped');
      assertConserved(engine.stats());
      assertCounts(engine, { pending: 0 });
      await t.within(Promise.all(publishing), 'publish to resolve');
      gate.open();
      await seen.ends(3);
      await turns(3);
      assert.equal(seen.calls.length, 3, 'a handler began after stop');
      assertConserved(engine.stats());
      await t.within(engine.start(), 'start to resolve after that');
      await t.publish(engine, t.topic('sync'), 1);
    },
  },
  {
    name: 'stop() ends early if its signal aborts',
    rules: [8],
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const seen = t.record(() => gate.opened);
      await engine.subscribe(t.topic(), seen.handler);
      const publishing = engine.publish({ topic: t.topic(), payload: 1 });
      await seen.begins(1);
      const controller = new AbortController();
      const stopping = rejectsWith(() => engine.stop({ signal: controller.signal }), 'SHUTDOWN_TIMEOUT');
      await turns(3);
      controller.abort();
      await t.within(stopping, 'stop to settle');
      assert.equal(seen.calls[0]!.context.signal.aborted, true);
      assert.equal((await engine.health()).state, 'stopped');
      await t.within(publishing, 'publish to resolve');
    },
  },
  {
    name: 'stop() called inside a handler waits for the other handlers but not for that handler',
    rules: [8],
    async run(t) {
      const engine = await t.started();
      const neighbour = t.record(() => turns(5));
      const seen = t.record(async () => {
        await engine.stop();
      });
      await engine.subscribe(t.topic(), neighbour.handler, roomy);
      await engine.subscribe(t.topic(), seen.handler, roomy);
      const publishing = engine.publish({ topic: t.topic(), payload: 1 });
      await seen.ends(1);
      await t.within(publishing, 'publish to resolve');
      await t.within(engine.stop(), 'stop to resolve');
      assert.equal(neighbour.ended, neighbour.calls.length);
      assert.equal((await engine.health()).state, 'stopped');
      await t.eventually(() => engine.stats().pending === 0, 'nothing to be pending');
    },
  },
  {
    name: 'stop() called in two handlers concurrently stops the engine',
    rules: [8],
    async run(t) {
      const engine = await t.started();
      const both = t.gate();
      const seen = t.record(async () => {
        if (seen.running === 2) both.open();
        await both.opened;
        await engine.stop();
      });
      await engine.subscribeAsync(t.topic(), seen.handler, roomy);
      await engine.subscribeAsync(t.topic(), seen.handler, roomy);
      await t.publish(engine, t.topic(), 1);
      await seen.ends(2);
      await t.within(engine.stop(), 'stop to resolve');
      assert.equal((await engine.health()).state, 'stopped');
    },
  },
  {
    name: 'stop() does not wait for the next attempt of an event that the broker keeps',
    rules: [6, 8],
    needs: { durable: true },
    async run(t) {
      const engine = await t.started();
      const seen = t.record(() => {
        throw new Error('always');
      });
      const backoff = { initialMs: 600_000, maxMs: 600_000, jitter: 'none' } as const;
      await engine.subscribe(t.topic(), seen.handler, { retry: { attempts: 3, backoff } });
      await t.publish(engine, t.topic(), 1);
      await seen.ends(1);
      await t.within(engine.stop(), 'stop to resolve');
    },
  },
  {
    name: 'stop() waits for retries that are due soon if no other process could handle the event',
    rules: [6, 8],
    needs: { durable: false },
    async run(t) {
      const engine = await t.started();
      const seen = t.record((_, { attempt }) => {
        if (attempt < 4) throw new Error('not yet');
      });
      await engine.subscribeAsync(t.topic(), seen.handler, { retry: attempts(4) });
      await t.publish(engine, t.topic(), 1);
      await seen.begins(1);
      await t.within(engine.stop(), 'stop to resolve');
      assert.equal(seen.ended, 4);
      assertCounts(engine, { delivered: 1, failed: 0 });
    },
  },
  {
    name: 'stop() gives up after its timeout on a retry that is due later, and counts the event as dropped',
    rules: [7, 8],
    needs: { durable: false },
    async run(t) {
      const engine = await t.started();
      const seen = t.record(() => {
        throw new Error('always');
      });
      const backoff = { initialMs: 600_000, maxMs: 600_000, jitter: 'none' } as const;
      await engine.subscribeAsync(t.topic(), seen.handler, { retry: { attempts: 3, backoff } });
      await t.publish(engine, t.topic(), 1);
      await seen.ends(1);
      await t.within(
        rejectsWith(() => engine.stop({ timeoutMs: 10 }), 'SHUTDOWN_TIMEOUT'),
        'stop to settle',
      );
      assertCounts(engine, { dropped: 1 });
      seen.assertCalls(1);
    },
  },
  {
    name: 'stop() refuses an invalid timeoutMs',
    rules: [8],
    async run(t) {
      const engine = await t.started();
      for (const timeoutMs of [-1, Number.NaN, 'soon', 2 ** 31]) {
        await rejectsWith(
          () => engine.stop({ timeoutMs: timeoutMs as number }),
          'INVALID_OPTION',
          'timeoutMs',
        );
      }
      assert.equal((await engine.health()).state, 'started');
      await t.publish(engine, t.topic(), 1);
    },
  },
]);
