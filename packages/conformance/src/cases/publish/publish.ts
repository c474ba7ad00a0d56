import assert from 'node:assert/strict';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertCounts } from '../../support/stats.ts';
import { turns } from '../../support/eventually.ts';
import { hostileError, thenables } from '../../tables/hostile.ts';
import { attempts, roomy } from '../../support/subscriptions.ts';

/** When `publish` resolves, and which errors it reports. */
export const publishCases: readonly ConformanceCase[] = defineCases('publish', [
  {
    name: 'publish() resolves after every sync handler has finished',
    rules: [3],
    needs: { crossProcess: false },
    async run(t) {
      const engine = await t.started();
      const finished: string[] = [];
      for (const name of ['first', 'second']) {
        const seen = t.record(async () => {
          await turns(5);
          finished.push(name);
        });
        await engine.subscribe(t.topic(), seen.handler, roomy);
      }
      for (let n = 1; n <= 5; n++) {
        await t.publish(engine, t.topic(), n);
        assert.equal(finished.length, 2 * n);
      }
    },
  },
  {
    name: 'publish() waits for the retries of a sync handler',
    rules: [3],
    needs: { crossProcess: false },
    async run(t) {
      const engine = await t.started();
      const seen = t.record((_, { attempt }) => {
        if (attempt < 3) throw new Error('not yet');
      });
      await engine.subscribe(t.topic(), seen.handler, { retry: attempts(3) });
      await t.publish(engine, t.topic(), 1);
      assert.equal(seen.ended, 3);
    },
  },
  {
    name: 'publish() does not wait for handlers in other processes',
    rules: [3],
    needs: { crossProcess: true },
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const seen = t.record(() => gate.opened);
      await engine.subscribe(t.topic(), seen.handler, roomy);
      await t.publish(await t.elsewhere(engine), t.topic(), 1);
      await t.publish(engine, t.topic(), 2);
      await seen.begins(1);
      gate.open();
      await seen.ends(2);
    },
  },
  {
    name: 'publish() never waits for an async handler',
    rules: [3],
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const seen = t.record<number>(() => gate.opened);
      await engine.subscribeAsync(t.topic(), seen.handler, roomy);
      await t.publishNumbers(engine, t.topic(), 20);
      assert.equal(seen.ended, 0);
      gate.open();
      await seen.ends(20);
    },
  },
  {
    name: 'publish() resolves, and other subscriptions get the event, if a handler throws or rejects',
    rules: [3, 6],
    async run(t) {
      const engine = await t.started();
      const once = { ...roomy, retry: false, deadLetter: false } as const;
      const failing = [
        t.record(() => {
          throw new Error('thrown');
        }),
        t.record(() => Promise.reject(new Error('rejected'))),
        t.record(() => {
          throw undefined;
        }),
        // eslint-disable-next-line prefer-promise-reject-errors
        t.record(() => Promise.reject(null)),
      ];
      // Not wrapped by a recorder, which would turn a synchronous throw into a rejection.
      await engine.subscribe(
        t.topic(),
        () => {
          throw new Error('thrown at the caller');
        },
        once,
      );
      await engine.subscribeAsync(
        t.topic(),
        () => {
          throw undefined;
        },
        once,
      );
      for (const seen of failing) await engine.subscribe(t.topic(), seen.handler, once);
      const neighbour = t.record();
      await engine.subscribe(t.topic(), neighbour.handler, roomy);
      for (const payload of [1, 2, 3]) await t.publish(engine, t.topic(), payload);
      for (const seen of [...failing, neighbour]) {
        await seen.ends(3);
        seen.assertOrder([1, 2, 3], 'every subscription');
      }
      await t.eventually(() => engine.stats().delivered === 21, 'every delivery to end');
      assertCounts(engine, { failed: 18 });
    },
  },
  {
    name: 'a thrown error whose properties throw when read fails only its own delivery',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const seen = t.record(() => {
        throw hostileError;
      });
      const dead = t.record();
      await engine.subscribe(t.topic('dead'), dead.handler);
      const options = { ...roomy, retry: attempts(2), deadLetter: t.topic('dead') };
      await engine.subscribe(t.topic(), seen.handler, options);
      await engine.subscribe(
        t.topic(),
        () => {
          throw hostileError;
        },
        options,
      );
      const neighbour = t.record();
      await engine.subscribe(t.topic(), neighbour.handler, roomy);
      for (const payload of [1, 2]) await t.publish(engine, t.topic(), payload);
      await neighbour.ends(2);
      await dead.ends(4);
    },
  },
  {
    name: 'a handler may return any thenable; the delivery fails if `then` throws',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const once = { ...roomy, retry: false, deadLetter: false } as const;
      for (const thenable of thenables) await engine.subscribe(t.topic(), () => thenable as never, once);
      const neighbour = t.record();
      await engine.subscribe(t.topic(), neighbour.handler, roomy);
      for (const payload of [1, 2]) await t.publish(engine, t.topic(), payload);
      await neighbour.ends(2);
      await t.eventually(
        () => engine.stats().pending === 0,
        () => `nothing to be pending: ${JSON.stringify(engine.stats())}`,
      );
      await t.eventually(() => engine.stats().delivered === 12, 'every delivery to end');
      assertCounts(engine, { failed: 6 });
    },
  },
  {
    name: 'a subscription continues with the next event after its handler fails',
    rules: [6],
    async run(t) {
      const engine = await t.started();
      const seen = t.record<number>((event) => {
        if (event.payload % 2 === 0) throw new Error('even');
      });
      await engine.subscribe(t.topic(), seen.handler, { ...roomy, retry: false, deadLetter: false });
      await t.publishNumbers(engine, t.topic(), 100);
      await seen.ends(100);
      await t.eventually(() => engine.stats().delivered === 100, 'every delivery to end');
      assertCounts(engine, { failed: 50 });
    },
  },
]);
