import assert from 'node:assert/strict';
import type { InvalidEventError, InvalidOptionError, UnknownOptionError } from '@polybus/core';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertCounts } from '../../support/stats.ts';
import { refusedPayloads } from '../../tables/payload-table.ts';
import { rejectsWith } from '../../support/rejects.ts';
import { assertTopics, roomy } from '../../support/subscriptions.ts';

/** Invalid calls, which are refused before anything is enqueued. */
export const badInputCases: readonly ConformanceCase[] = defineCases('bad-input', [
  {
    name: 'publish() refuses a payload that JSON cannot represent, names the field, and enqueues nothing',
    rules: [12],
    async run(t) {
      const engine = await t.started();
      const seen = t.record();
      await engine.subscribe(t.topic(), seen.handler, roomy);
      for (const { payload, field } of refusedPayloads) {
        const call = () => engine.publish({ topic: t.topic(), payload });
        const error = (await rejectsWith(call, 'INVALID_EVENT', field)) as InvalidEventError;
        assert.ok(error.field.startsWith(field), `named ${error.field} for ${field}`);
        assert.equal(error.topic, t.topic());
      }
      await t.quiet(engine);
      seen.assertCalls(0);
      assert.equal(engine.stats().published, 1, 'more than the event that quiet() publishes');
    },
  },
  {
    name: 'publish() refuses every other invalid field of an event and names it',
    rules: [12],
    async run(t) {
      const engine = await t.started();
      const topic = t.topic();
      const refuse = async (field: string, event: unknown): Promise<void> => {
        const error = await rejectsWith(() => engine.publish(event as never), 'INVALID_EVENT', field);
        assert.equal((error as InvalidEventError).field.split(/[.[]/)[0], field);
      };
      for (const event of [undefined, null, 1, () => 1]) await refuse('event', event);
      for (const key of ['', 'x'.repeat(257), 5, null, {}, '\ud800'])
        await refuse('key', { topic, payload: 1, key });
      for (const id of ['', 'x'.repeat(257), 5, null]) await refuse('id', { topic, payload: 1, id });
      for (const createdAt of [new Date(Number.NaN), '2024-01-01', 0, null]) {
        await refuse('createdAt', { topic, payload: 1, createdAt });
      }
      const notPlain = ['text', 1, null, [], new Date(), new Uint8Array(1), new Map(), () => 1];
      for (const metadata of [...notPlain, { f: () => 1 }, { n: { deep: 10n } }, { nan: Number.NaN }]) {
        await refuse('metadata', { topic, payload: 1, metadata });
      }
      assertCounts(engine, { published: 0 });
    },
  },
  {
    name: 'subscribe() refuses a handler that is not a function',
    rules: [12],
    async run(t) {
      const engine = await t.started();
      for (const handler of [
        undefined,
        null,
        'handler',
        {},
        { handle: () => {} },
        Promise.resolve(),
      ] as never[]) {
        await rejectsWith(() => engine.subscribe(t.topic(), handler), 'HANDLER_REQUIRED', t.topic());
        await rejectsWith(() => engine.subscribeAsync(t.topic(), handler), 'HANDLER_REQUIRED', t.topic());
      }
      assertTopics(engine, []);
    },
  },
  {
    name: 'subscribe() refuses an option value outside its range and names the option',
    rules: [10, 12],
    async run(t) {
      const engine = await t.started();
      const refused: Record<string, readonly unknown[]> = {
        concurrency: [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '4'],
        bufferSize: [0, -1, 1.5, Number.NaN, '10'],
        handlerTimeoutMs: [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '1s'],
        deadLetter: [1, {}, []],
        group: ['', 'a b', 'x'.repeat(201), 5, {}, 'ключ'],
        from: ['yesterday', new Date(Number.NaN), 0, {}],
        retry: [true, 3, 'often'],
        'retry.attempts': [0, -1, 1.5, Number.NaN, '3'],
        'retry.backoff': [5, 'long', null],
        'retry.backoff.initialMs': [-1, Number.NaN, '1s'],
        'retry.backoff.maxMs': [-1, Number.POSITIVE_INFINITY],
        'retry.backoff.factor': [0, 0.5, '2'],
        'retry.backoff.jitter': ['some', true],
        'retry.shouldRetry': [true, {}, null],
      };
      for (const [path, values] of Object.entries(refused)) {
        for (const value of values) {
          const call = () => engine.subscribeAsync(t.topic(), () => {}, at(path, value) as never);
          const error = (await rejectsWith(call, 'INVALID_OPTION', path)) as InvalidOptionError;
          assert.equal(error.option, path);
        }
      }
      const call = () => engine.subscribe(t.topic(), () => {}, { concurrency: 2 });
      await rejectsWith(call, 'INVALID_OPTION', 'concurrency', 'subscribeAsync');
      for (const options of [null, 5, 'options'] as never[]) {
        await rejectsWith(() => engine.subscribe(t.topic(), () => {}, options), 'INVALID_OPTION');
      }
      for (const deadLetter of ['no topic', '', 'a.*']) {
        await rejectsWith(() => engine.subscribe(t.topic(), () => {}, { deadLetter }), 'INVALID_TOPIC');
      }
      assertTopics(engine, []);
    },
  },
  {
    name: 'an unknown option or event field is refused, and the error suggests the nearest known name',
    rules: [10, 12],
    async run(t) {
      const engine = await t.started();
      const topic = t.topic();
      const refuse = async (
        call: () => PromiseLike<unknown>,
        option: string,
        nearest: string,
      ): Promise<void> => {
        const error = await rejectsWith(call, 'UNKNOWN_OPTION', option, nearest);
        assert.equal((error as UnknownOptionError).option, option);
      };
      for (const [options, option, nearest] of [
        [{ retries: 3 }, 'retries', '"retry"'],
        [{ concurency: 3 }, 'concurency', '"concurrency"'],
        [{ delay: 100 }, 'delay', 'handlerTimeoutMs'],
        [{ retry: { attempt: 3 } }, 'retry.attempt', '"attempts"'],
        [{ retry: { backoff: { jiter: 'none' } } }, 'retry.backoff.jiter', '"jitter"'],
      ] as [never, string, string][]) {
        await refuse(() => engine.subscribe(topic, () => {}, options), option, nearest);
        await refuse(() => engine.subscribeAsync(topic, () => {}, options), option, nearest);
      }
      await refuse(() => engine.publish({ topic, payload: 1 }, { when: 1 } as never), 'when', 'signal');
      await refuse(() => engine.publish({ topic, payload: 1 }, { Signal: 1 } as never), 'Signal', '"signal"');
      await refuse(() => engine.start({ timeout: 1 } as never), 'timeout', 'signal');
      await refuse(() => engine.stop({ timeout: 1 } as never), 'timeout', '"timeoutMs"');
      const event = { topic, payload: 1, partitionKey: 'a' };
      await rejectsWith(() => engine.publish(event), 'INVALID_EVENT', 'partitionKey', '"key"');
      assertTopics(engine, []);
      assertCounts(engine, { published: 0 });
      // A caller that spreads options which were not given passes `undefined`.
      const absent = { retries: undefined } as never;
      await (await engine.subscribe(topic, () => {}, absent)).cancel();
    },
  },
  {
    name: 'an engine works normally after it has refused invalid calls',
    rules: [6, 12],
    async run(t) {
      const engine = await t.started();
      const seen = t.record();
      const bad = Promise.allSettled([
        engine.publish({ topic: 'no topic', payload: 1 }),
        engine.publish(undefined as never),
        engine.publish({ topic: t.topic(), payload: () => 1 }),
        engine.subscribe('no topic', () => {}),
        engine.subscribe(t.topic(), undefined as never),
      ]);
      await engine.subscribe(t.topic(), seen.handler);
      for (const result of await bad) assert.equal(result.status, 'rejected');
      await t.publish(engine, t.topic(), 'good');
      await seen.ends(1);
      seen.assertOrder(['good']);
    },
  },
]);

/** Makes an object with the value at the path. */
function at(path: string, value: unknown): unknown {
  return path.split('.').reduceRight((inner, name) => ({ [name]: inner }), value);
}
