import assert from 'node:assert/strict';
import type { DeliveryStats } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';

/** The counts that every engine keeps. */
export const countNames: readonly (keyof DeliveryStats)[] = [
  'published',
  'enqueued',
  'delivered',
  'dropped',
  'pending',
  'running',
  'deferred',
  'failed',
  'retried',
  'deadLettered',
  'released',
];

/** Checks that the engine accounts for every delivery. */
export function assertConserved(stats: DeliveryStats): void {
  const { enqueued, delivered, dropped, pending, running, deferred, failed, deadLettered } = stats;
  const text = JSON.stringify(stats);
  assert.equal(
    enqueued,
    delivered + dropped + pending,
    `enqueued is not delivered + dropped + pending: ${text}`,
  );
  assert.ok(failed <= delivered, `more failed than delivered: ${text}`);
  assert.ok(deadLettered <= failed, `more dead-lettered than failed: ${text}`);
  assert.ok(running + deferred <= pending, `more running and deferred than pending: ${text}`);
  for (const name of countNames)
    assert.ok(Number.isInteger(stats[name]) && stats[name] >= 0, `${name}: ${text}`);
}

/**
 * True where each pending delivery is on its way: something is being handled, which the rest waits for, or waits for another
 * attempt or its dead letter. What is pending beside none of these waits for something that never comes.
 */
export function isOnItsWay({ pending, running, deferred }: DeliveryStats): boolean {
  return pending === 0 || running > 0 || deferred > 0;
}

/** True if no handler runs, and nothing waits for another attempt or its dead letter. */
export function isAtRest(engine: Engine): boolean {
  const { running, deferred } = engine.stats();
  return running === 0 && deferred === 0;
}

/** Checks some counts, and the conservation of all. */
export function assertCounts(engine: Engine, expected: Partial<DeliveryStats>): void {
  const stats = engine.stats();
  assert.deepEqual({ ...stats, ...expected }, { ...stats });
  assertConserved(stats);
}
