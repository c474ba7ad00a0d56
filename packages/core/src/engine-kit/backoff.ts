import type { RetryPolicy } from '../contract/retry.ts';

/**
 * Returns the delay after a number of consecutive failures, in milliseconds: a random time up to `initialMs`, which doubles with each
 * failure up to `maxMs`. The random part prevents clients that lost a broker at the same time from reconnecting at the same time.
 */
export function backoffMs(failures: number, initialMs: number, maxMs: number): number {
  return retryDelayMs({ initialMs, maxMs, factor: 2, jitter: 'full' }, failures);
}

/** Returns the delay after attempt number `attempt` (from 1) failed, in milliseconds. */
export function retryDelayMs(
  policy: Pick<RetryPolicy, 'initialMs' | 'maxMs' | 'factor' | 'jitter'>,
  attempt: number,
  random: () => number = Math.random,
): number {
  // Kept finite, because zero times infinity is not a number.
  const growth = Math.min(policy.factor ** (attempt - 1), Number.MAX_VALUE);
  const ceiling = Math.min(policy.maxMs, policy.initialMs * growth);
  return policy.jitter === 'full' ? random() * ceiling : ceiling;
}
