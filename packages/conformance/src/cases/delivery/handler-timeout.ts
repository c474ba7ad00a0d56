import assert from 'node:assert/strict';
import { deadLetterOf } from '@polybus/core';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertCounts } from '../../support/stats.ts';
import { attempts, roomy } from '../../support/subscriptions.ts';

/** Handlers that exceed their timeout. */
export const handlerTimeoutCases: readonly ConformanceCase[] = defineCases('handler-timeout', [
  {
    name: 'a handler that exceeds its timeout fails, its signal aborts, and the next event is handled',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const seen = t.record<string>((event) => (event.payload === 'hang' ? gate.opened : undefined));
      await engine.subscribe(t.topic(), seen.handler, {
        ...roomy,
        handlerTimeoutMs: 20,
        retry: false,
        deadLetter: false,
      });
      const neighbour = t.record<string>();
      await engine.subscribe(t.topic(), neighbour.handler, roomy);
      const publishing = ['hang', 'next'].map((payload) => engine.publish({ topic: t.topic(), payload }));
      await seen.begins(2);
      await neighbour.ends(2);
      await t.within(Promise.all(publishing), 'publish to resolve');
      const { signal } = seen.calls[0]!.context;
      assert.equal(signal.aborted, true);
      assert.equal((signal.reason as { code?: string }).code, 'HANDLER_TIMEOUT');
      assert.equal(seen.calls[1]!.context.signal.aborted, false);
      await t.eventually(() => engine.stats().pending === 0, 'nothing to be pending');
      assertCounts(engine, { failed: 1 });
    },
  },
  {
    name: 'other subscriptions continue after handlers that occupied every worker time out',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const stuck = t.record<number>(() => gate.opened);
      const fine = t.record<number>();
      await engine.subscribeAsync(t.topic('stuck'), stuck.handler, {
        ...roomy,
        handlerTimeoutMs: 20,
        retry: false,
        deadLetter: false,
      });
      await engine.subscribeAsync(t.topic('fine'), fine.handler, roomy);
      await t.publishNumbers(engine, t.topic('stuck'), 12);
      await t.publishNumbers(engine, t.topic('fine'), 12);
      await fine.ends(12);
      await stuck.begins(12);
      await t.eventually(() => engine.stats().pending === 0, 'nothing to be pending');
      assertCounts(engine, { failed: 12 });
    },
  },
  {
    name: 'a timed-out attempt is retried with a new signal, and its late result is ignored',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const seen = t.record(async (_, { attempt }) => {
        if (attempt === 1) {
          await gate.opened;
          throw new Error('too late to fail');
        }
      });
      await engine.subscribe(t.topic(), seen.handler, {
        handlerTimeoutMs: 20,
        retry: attempts(3),
        deadLetter: false,
      });
      await t.publish(engine, t.topic(), 1);
      await seen.begins(2);
      await t.eventually(() => engine.stats().pending === 0, 'nothing to be pending');
      gate.open();
      await seen.ends(2);
      await t.quiet(engine);
      seen.assertAttempts([1, 2]);
      assert.equal(seen.calls[0]!.context.signal.aborted, true);
      assert.equal(seen.calls[1]!.context.signal.aborted, false);
      assertCounts(engine, { failed: 0, retried: 1 });
    },
  },
  {
    name: 'an event whose handler times out on every attempt becomes a dead letter that names the timeout',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const dead = t.record();
      await engine.subscribe(`_dead.${t.topic()}`, dead.handler, roomy);
      await engine.subscribe(t.topic(), () => gate.opened, {
        handlerTimeoutMs: 10,
        retry: attempts(2),
        deadLetter: true,
      });
      await t.publish(engine, t.topic(), 1);
      await dead.ends(1);
      const origin = deadLetterOf(dead.events[0]!)!;
      assert.equal(origin.attempts, 2);
      assert.equal(origin.error.name, 'HandlerTimeoutError');
    },
  },
  {
    name: 'a handler that settles within its timeout is not affected',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const seen = t.record(() => new Promise((resolve) => setImmediate(resolve)));
      await engine.subscribe(t.topic(), seen.handler, { ...roomy, handlerTimeoutMs: t.deadlineMs });
      for (let n = 0; n < 10; n++) await t.publish(engine, t.topic(), n);
      await seen.ends(10);
      assert.ok(seen.calls.every(({ context }) => !context.signal.aborted));
      await t.eventually(() => engine.stats().pending === 0, 'nothing to be pending');
      assertCounts(engine, { failed: 0 });
    },
  },
]);
