import { backoffMs as ofPolicy } from '../contract/retry.ts';

/**
 * Returns the delay after a number of consecutive failures, in milliseconds: a random time up to `initialMs`, which doubles with each
 * failure up to `maxMs`. The random part prevents clients that lost a broker at the same time from reconnecting at the same time.
 */
export function backoffMs(failures: number, initialMs: number, maxMs: number): number {
  return ofPolicy({ initialMs, maxMs, factor: 2, jitter: 'full' }, failures);
}
