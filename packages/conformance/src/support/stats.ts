import assert from 'node:assert/strict';
import type { DeliveryStats } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';

/** The counters that every engine has. */
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

/** Asserts that the counters account for every delivery. */
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
 * Returns true if the pending deliveries make progress: a handler runs, or a delivery waits for another attempt or its dead
 * letter. If neither is true and deliveries are pending, they are stuck.
 */
export function isOnItsWay({ pending, running, deferred }: DeliveryStats): boolean {
  return pending === 0 || running > 0 || deferred > 0;
}

/** Returns true if no handler runs and no delivery waits for another attempt or its dead letter. */
export function isAtRest(engine: Engine): boolean {
  const { running, deferred } = engine.stats();
  return running === 0 && deferred === 0;
}

/** Asserts the values of some counters, and that the counters account for every delivery. */
export function assertCounts(engine: Engine, expected: Partial<DeliveryStats>): void {
  const stats = engine.stats();
  const wrong = Object.entries(expected).filter(
    ([name, count]) => stats[name as keyof DeliveryStats] !== count,
  );
  const text = wrong.map(([name, count]) => `${count} ${name}`).join(', ');
  assert.ok(wrong.length === 0, `expected the engine to count ${text}, got ${JSON.stringify(stats)}`);
  assertConserved(stats);
}
