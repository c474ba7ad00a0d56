import assert from 'node:assert/strict';
import { UnrecoverableError } from '@polybus/core';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertOrder, assertEach } from '../../support/arrivals.ts';
import { turns } from '../../support/eventually.ts';
import { assertCounts } from '../../support/stats.ts';
import { attempts, roomy, unrecoverableOfAnotherCopy } from '../../support/subscriptions.ts';
import { numbers } from '../../support/numbers.ts';

/** Attempts after a handler has failed. */
export const retryCases: readonly ConformanceCase[] = defineCases('retries', [
  {
    name: 'attempts are numbered from 1 and get the same event: id, key, time, payload and metadata',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const seen = t.record((_, { attempt }) => {
        if (attempt < 4) throw new Error(`attempt ${attempt}`);
      });
      await engine.subscribe(t.topic(), seen.handler, { retry: attempts(5) });
      const metadata = { trace: { list: [1, 2] }, text: 'ü' };
      const createdAt = new Date(Date.now() - 60_000);
      await t.publish(engine, t.topic(), { deep: [1] }, { key: 'k', metadata, createdAt });
      await seen.ends(4);
      await t.quiet(engine);
      seen.assertAttempts([1, 2, 3, 4]);
      assert.equal(new Set(seen.ids).size, 1);
      for (const event of seen.events) {
        assert.equal(event.key, 'k');
        assert.deepEqual(event.metadata, metadata);
        assert.deepEqual(event.payload, { deep: [1] });
        assert.deepEqual(event.createdAt, createdAt);
      }
      assertCounts(engine, { retried: 3, failed: 0 });
    },
  },
  {
    name: 'every event is handled after two failed attempts',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const done: number[] = [];
      const seen = t.record<number>(async (event, { attempt }) => {
        await turns(1);
        if (attempt <= 2) throw new Error('not yet');
        done.push(event.payload);
      });
      await engine.subscribeAsync(t.topic(), seen.handler, { ...roomy, concurrency: 4, retry: attempts(3) });
      await t.publishNumbers(engine, t.topic(), 100);
      await seen.ends(300);
      await t.eventually(() => engine.stats().pending === 0, 'nothing to be pending');
      assertEach(done, numbers(100), 'the handler in a third attempt');
      assertCounts(engine, { enqueued: 100, delivered: 100, retried: 200, failed: 0 });
    },
  },
  {
    name: 'an event gets the number of attempts that `retry` allows, and no more',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const fail = (): never => {
        throw new Error('always');
      };
      const [three, one, none] = [t.record(fail), t.record(fail), t.record(fail)];
      await engine.subscribe(t.topic(), three.handler, { retry: attempts(3), deadLetter: false });
      await engine.subscribe(t.topic(), one.handler, { retry: attempts(1), deadLetter: false });
      await engine.subscribe(t.topic(), none.handler, { retry: false, deadLetter: false });
      await t.publish(engine, t.topic(), 1);
      await t.eventually(() => engine.stats().failed === 3, 'three deliveries to fail');
      await t.quiet(engine);
      three.assertAttempts([1, 2, 3], `the handler with \`attempts: 3\``);
      one.assertAttempts([1], `the handler with \`attempts: 1\``);
      none.assertAttempts([1], `the handler with \`retry: false\``);
      assertCounts(engine, { retried: 2, deadLettered: 0 });
    },
  },
  {
    name: 'an event whose handler throws UnrecoverableError gets one attempt, even if the error comes from another copy of core',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const own = t.record(() => {
        throw new UnrecoverableError('never');
      });
      const foreign = t.record(() => {
        throw unrecoverableOfAnotherCopy();
      });
      await engine.subscribe(t.topic(), own.handler, { retry: attempts(5), deadLetter: false });
      await engine.subscribe(t.topic(), foreign.handler, { retry: attempts(5), deadLetter: false });
      await t.publish(engine, t.topic(), 1);
      await t.eventually(() => engine.stats().failed === 2, 'both deliveries to fail');
      await t.quiet(engine);
      own.assertCalls(1, 'the handler that throws an UnrecoverableError');
      foreign.assertCalls(1, 'the handler that throws an UnrecoverableError of another copy of core');
    },
  },
  {
    name: '`shouldRetry` gets the error, and returning false ends the attempts',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const errors: unknown[] = [];
      const seen = t.record((_, { attempt }) => {
        throw new Error(attempt < 3 ? 'again' : 'enough');
      });
      const shouldRetry = (error: unknown): boolean => {
        errors.push(error);
        return (error as Error).message === 'again';
      };
      await engine.subscribe(t.topic(), seen.handler, {
        retry: { ...attempts(10), shouldRetry },
        deadLetter: false,
      });
      await t.publish(engine, t.topic(), 1);
      await t.eventually(() => engine.stats().failed === 1, 'the delivery to fail');
      seen.assertCalls(3);
      const messages = errors.map((error) => (error as Error).message);
      assertOrder(messages, ['again', 'again', 'enough'], '`shouldRetry`', 'the errors ');
    },
  },
  {
    name: 'each subscription counts its own attempts',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const failing = t.record((_, { attempt }) => {
        if (attempt < 3) throw new Error('not yet');
      });
      const fine = t.record();
      await engine.subscribe(t.topic(), failing.handler, { retry: attempts(3) });
      await engine.subscribe(t.topic(), fine.handler);
      await t.publish(engine, t.topic(), 1);
      await failing.ends(3);
      await t.quiet(engine);
      fine.assertCalls(1, 'the other subscription');
    },
  },
  {
    name: 'a topic stays usable after subscriptions that failed often are cancelled',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      for (let round = 0; round < 3; round++) {
        const seen = t.record(() => {
          throw new Error('always');
        });
        const subscription = await engine.subscribe(t.topic(), seen.handler, {
          ...roomy,
          retry: attempts(100),
          deadLetter: false,
        });
        const publishing = engine.publish({ topic: t.topic(), payload: 'poison' });
        await seen.begins(10);
        await t.within(subscription.cancel(), 'cancel to resolve between two attempts');
        await t.within(publishing, 'publish to resolve');
      }
      const seen = t.record<number>();
      await engine.subscribe(t.topic(), seen.handler, roomy);
      await t.publishNumbers(engine, t.topic(), 50);
      await seen.ends(50);
      seen.assertOrder(numbers(50));
    },
  },
  {
    name: 'the delay between attempts grows as `backoff` specifies',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const times: number[] = [];
      const seen = t.record((_, { attempt }) => {
        times.push(performance.now());
        if (attempt < 4) throw new Error('not yet');
      });
      const backoff = { initialMs: 20, factor: 2, maxMs: 50, jitter: 'none' } as const;
      await engine.subscribe(t.topic(), seen.handler, { retry: { attempts: 4, backoff } });
      await t.publish(engine, t.topic(), 1);
      await seen.ends(4);
      const gaps = times.slice(1).map((time, n) => time - times[n]!);
      // By this clock a timer may fire up to 1 ms early. How late it fires depends on the machine.
      for (const [n, least] of [20, 40, 50].entries())
        assert.ok(gaps[n]! >= least - 2, `gap ${n}: ${gaps[n]} ms`);
    },
  },
]);
