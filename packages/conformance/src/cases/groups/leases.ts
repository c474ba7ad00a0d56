import assert from 'node:assert/strict';
import { type ConformanceCase, defineCases } from '../../conformance-case.ts';
import { roomy } from '../../support/subscriptions.ts';

/** The lease of the engine, in milliseconds. Some brokers accept no shorter lease. */
const leaseMs = 6000;

/** Blocks the event loop, as happens to a process that is starved or suspended. */
function blockEventLoop(forMs: number): void {
  const end = performance.now() + forMs;
  while (performance.now() < end);
}

/** Group members whose lease may have expired. */
export const leaseCases: readonly ConformanceCase[] = defineCases('leases', [
  {
    name: 'a group member whose event loop was blocked for longer than its lease starts no event before it has checked the lease',
    rules: [5, 15],
    needs: { groups: true, crossProcess: true },
    isDisruptive: true,
    async run(t) {
      const engine = await t.started({ leaseMs });
      const [gate, goesOn] = [t.gate(), t.gate()];
      let hasJustBlocked = false;
      const tooEarly: number[] = [];
      const seen = t.record<number>(async ({ payload }) => {
        if (hasJustBlocked) tooEarly.push(payload);
        if (seen.calls.length > 1) return;
        await gate.opened;
        blockEventLoop(leaseMs * 1.25);
        hasJustBlocked = true;
        // Runs after everything that the end of this handler triggers, and before the broker can answer.
        process.nextTick(() => {
          hasJustBlocked = false;
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
      assert.deepEqual(
        tooEarly,
        [],
        'started events without checking the lease, although another member may have them',
      );
      await t.eventually(
        () => new Set(seen.payloads).size === 10,
        () => `all to be handled in the end: ${JSON.stringify(seen.payloads)}`,
      );
    },
  },
]);
