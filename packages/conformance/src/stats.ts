import assert from 'node:assert/strict';
import type { DeliveryStats, Engine } from '@polybus/core';

/** The counts that every engine keeps. */
export const countNames: readonly (keyof DeliveryStats)[] = [
  'published',
  'enqueued',
  'delivered',
  'dropped',
  'pending',
  'failed',
  'retried',
  'deadLettered',
  'released',
];

/** Checks that the engine accounts for every delivery. */
export function assertConserved(stats: DeliveryStats): void {
  const { enqueued, delivered, dropped, pending, failed, deadLettered } = stats;
  const text = JSON.stringify(stats);
  assert.equal(
    enqueued,
    delivered + dropped + pending,
    `enqueued is not delivered + dropped + pending: ${text}`,
  );
  assert.ok(failed <= delivered, `more failed than delivered: ${text}`);
  assert.ok(deadLettered <= failed, `more dead-lettered than failed: ${text}`);
  for (const name of countNames)
    assert.ok(Number.isInteger(stats[name]) && stats[name] >= 0, `${name}: ${text}`);
}

/** Checks some counts, and the conservation of all. */
export function assertCounts(engine: Engine, expected: Partial<DeliveryStats>): void {
  const stats = engine.stats();
  assert.deepEqual({ ...stats, ...expected }, { ...stats });
  assertConserved(stats);
}
