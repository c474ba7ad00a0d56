import assert from 'node:assert/strict';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { roomy } from '../../support/subscriptions.ts';

/** What the engine is made with, in milliseconds: some brokers take no less. */
const leaseMs = 6000;

/** Holds up everything in this process, as one that is starved or suspended is held up. */
function standStill(forMs: number): void {
  const end = performance.now() + forMs;
  while (performance.now() < end);
}

/** What a member of a group does whose lease may have run out. */
export const leaseCases: readonly ConformanceCase[] = defineCases('leases', [
  {
    name: 'a group member whose event loop was blocked for longer than its lease starts no event before it has checked the lease',
    rules: [5, 15],
    needs: { groups: true, crossProcess: true },
    isDisruptive: true,
    async run(t) {
      const engine = await t.started({ leaseMs });
      const [gate, goesOn] = [t.gate(), t.gate()];
      let hasJustStoodStill = false;
      const tooEarly: number[] = [];
      const seen = t.record<number>(async ({ payload }) => {
        if (hasJustStoodStill) tooEarly.push(payload);
        if (seen.calls.length > 1) return;
        await gate.opened;
        standStill(leaseMs * 1.25);
        hasJustStoodStill = true;
        // Runs behind all that follows from the end of this handler alone, and before any answer of a broker can come.
        process.nextTick(() => {
          hasJustStoodStill = false;
          goesOn.open();
        });
      });
      const options = { ...roomy, group: t.group(), concurrency: 1 };
      await engine.subscribeAsync(t.topic(), seen.handler, options);
      for (let n = 0; n < 10; n++) await t.publish(engine, t.topic(), n, { key: `key-${n % 2}` });
      await seen.begins(1);
      await t.eventually(
        () => engine.stats().pending === 10,
        () => `all to be handed over: ${JSON.stringify(engine.stats())}`,
      );
      gate.open();
      await goesOn.opened;
      assert.deepEqual(tooEarly, [], 'began, without asking, what others may have by now');
      await t.eventually(
        () => new Set(seen.payloads).size === 10,
        () => `all to be handled in the end: ${JSON.stringify(seen.payloads)}`,
      );
    },
  },
]);
