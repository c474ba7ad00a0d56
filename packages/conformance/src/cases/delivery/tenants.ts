import assert from 'node:assert/strict';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertCounts } from '../../support/stats.ts';
import { assertEach } from '../../support/arrivals.ts';
import { rejectsWith } from '../../support/rejects.ts';
import { assertTopics, attempts, roomy } from '../../support/subscriptions.ts';
import { numbers } from '../../support/numbers.ts';

const of = (tenant: string): { metadata: Record<string, unknown> } => ({ metadata: { tenant } });

/** Subscriptions of one tenant. */
export const tenantCases: readonly ConformanceCase[] = defineCases('tenants', [
  {
    name: 'a subscription of a tenant gets and counts only the events of that tenant',
    rules: [5, 7],
    async run(t) {
      const engine = await t.started();
      const other = await t.elsewhere(engine);
      const [a, b] = [t.record<number>(), t.record<number>()];
      await engine.subscribe(t.topic(), a.handler, { ...roomy, tenant: 'a' });
      await other.subscribeAsync(t.topic('*'), b.handler, { ...roomy, tenant: 'b' });
      const metadata = [{ tenant: 'a' }, { tenant: 'b' }, {}, { tenant: 'A' }, { tenant: ['a'] }];
      await t.publishNumbers(engine, t.topic(), 20, (n) => ({ metadata: metadata[n % metadata.length]! }));
      await a.ends(4);
      await b.ends(4);
      await t.quiet(engine);
      await t.quiet(other);
      a.assertPayloads([0, 5, 10, 15], 'the subscription of tenant a');
      b.assertPayloads([1, 6, 11, 16], 'the subscription of tenant b');
      const enqueued = [...new Set([engine, other])].reduce((sum, one) => sum + one.stats().enqueued, 0);
      // `t.quiet` uses topics without a tenant, so its events are not counted here.
      assert.equal(enqueued, 10);
    },
  },
  {
    name: 'an event of another tenant uses no buffer space of a subscription and does not wait for any',
    rules: [5, 7],
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const [a, b] = [t.record<number>(() => gate.opened), t.record<number>()];
      await engine.subscribeAsync(t.topic(), a.handler, { concurrency: 1, bufferSize: 1, tenant: 'a' });
      await engine.subscribeAsync(t.topic(), b.handler, { ...roomy, tenant: 'b' });
      await t.publish(engine, t.topic(), 0, of('a'));
      await a.begins(1);
      // Its handler is busy, and now its buffer is full.
      await t.publish(engine, t.topic(), 1, of('a'));
      await t.publishNumbers(engine, t.topic(), 30, () => of('b'));
      await b.ends(30);
      assertCounts(engine, { dropped: 0 });
      gate.open();
      await a.ends(2);
    },
  },
  {
    name: 'each tenant has its own groups: a member never acknowledges an event of another tenant',
    rules: [5, 6],
    needs: { groups: true },
    async run(t) {
      const engine = await t.started();
      const other = await t.elsewhere(engine);
      const [a1, a2, b, all] = [
        t.record<number>(),
        t.record<number>(),
        t.record<number>(),
        t.record<number>(),
      ];
      const group = t.group();
      await engine.subscribe(t.topic(), a1.handler, { ...roomy, group, tenant: 'a' });
      await other.subscribe(t.topic(), a2.handler, { ...roomy, group, tenant: 'a' });
      await other.subscribe(t.topic(), b.handler, { ...roomy, group, tenant: 'b' });
      await engine.subscribe(t.topic(), all.handler, { ...roomy, group });
      await t.publishNumbers(engine, t.topic(), 40, (n) => of(n % 2 === 0 ? 'a' : 'b'));
      await t.eventually(() => a1.ended + a2.ended >= 20, 'the 20 events of tenant a');
      await b.ends(20);
      await all.ends(40);
      await t.quiet(engine);
      const evens = numbers(40).filter((n) => n % 2 === 0);
      assertEach([...a1.payloads, ...a2.payloads], evens, 'the group of tenant a');
      b.assertPayloads(
        numbers(40).filter((n) => n % 2 === 1),
        'the group of tenant b',
      );
      all.assertPayloads(numbers(40), 'the group without a tenant');
    },
  },
  {
    name: 'a dead letter keeps the tenant of its event',
    rules: [5, 6],
    async run(t) {
      const engine = await t.started();
      const [dead, others] = [t.record<number>(), t.record<number>()];
      await engine.subscribe(`_dead.${t.topic()}`, dead.handler, { ...roomy, tenant: 'a' });
      await engine.subscribe(`_dead.${t.topic()}`, others.handler, { ...roomy, tenant: 'b' });
      const failing = t.record<number>(() => Promise.reject(new Error('no')));
      await engine.subscribe(t.topic(), failing.handler, {
        ...roomy,
        tenant: 'a',
        retry: attempts(1),
        deadLetter: true,
      });
      await t.publish(engine, t.topic(), 1, of('b'));
      await t.publish(engine, t.topic(), 2, of('a'));
      await dead.ends(1);
      await t.quiet(engine);
      dead.assertPayloads([2], 'the subscription of tenant a to dead letters');
      others.assertPayloads([], 'the subscription of tenant b to dead letters');
    },
  },
  {
    name: 'subscribe() refuses an invalid tenant',
    rules: [12],
    async run(t) {
      const engine = await t.started();
      for (const tenant of ['', 'a b', 'a.b', 'x'.repeat(65), 7 as never]) {
        await rejectsWith(() => engine.subscribe(t.topic(), () => {}, { tenant }), 'INVALID_TENANT');
      }
      assertTopics(engine, []);
    },
  },
]);
