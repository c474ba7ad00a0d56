import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { assertCounts } from '../../support/stats.ts';
import { rejectsWith } from '../../support/rejects.ts';
import { roomy } from '../../support/subscriptions.ts';
import { numbers } from '../../support/numbers.ts';

const hourMs = 60 * 60 * 1000;

/** Setting the clock affects timestamps and nothing else. */
export const clockCases: readonly ConformanceCase[] = defineCases('clock', [
  {
    name: 'setting the clock forward two hours and back again expires no event and ends no subscription',
    rules: [14],
    isDisruptive: true,
    async run(t) {
      const engine = await t.started();
      const publisher = await t.elsewhere(engine);
      const gate = t.gate();
      const [alone, grouped] = [t.record(() => gate.opened), t.record(() => gate.opened)];
      const one = { ...roomy, concurrency: 1 };
      await engine.subscribeAsync(t.topic(), alone.handler, one);
      const group = engine.capabilities.groups ? { group: t.group() } : {};
      await engine.subscribeAsync(t.topic(), grouped.handler, { ...one, ...group });
      for (let n = 0; n < 5; n++) await t.publish(publisher, t.topic(), n);
      await Promise.all([alone.begins(1), grouped.begins(1)]);
      t.clock.set(2 * hourMs);
      gate.open();
      await Promise.all([alone.ends(5), grouped.ends(5)]);
      // A broker may refuse events that are more than an hour ahead.
      t.clock.set(0.9 * hourMs);
      for (let n = 5; n < 10; n++) await t.publish(publisher, t.topic(), n);
      await Promise.all([alone.ends(10), grouped.ends(10)]);
      t.clock.restore();
      for (let n = 10; n < 15; n++) await t.publish(publisher, t.topic(), n);
      await Promise.all([alone.ends(15), grouped.ends(15)]);
      await t.quiet(engine);
      alone.assertOrder(numbers(15), 'the subscription without a group');
      grouped.assertOrder(numbers(15), 'the group');
      assertCounts(engine, { dropped: 0 });
      await t.eventually(async () => (await engine.health()).status === 'up', 'health to be up');
    },
  },
  {
    name: 'setting the clock back while stop() waits does not extend its timeout',
    rules: [8, 14],
    isDisruptive: true,
    async run(t) {
      const engine = await t.started();
      const gate = t.gate();
      const seen = t.record(() => gate.opened);
      await engine.subscribeAsync(t.topic(), seen.handler, roomy);
      await t.publish(engine, t.topic(), 1);
      await seen.begins(1);
      const stopping = rejectsWith(() => engine.stop({ timeoutMs: 200 }), 'SHUTDOWN_TIMEOUT');
      t.clock.set(-2 * hourMs);
      await t.within(stopping, 'stop to give up after 200 ms');
    },
  },
]);
