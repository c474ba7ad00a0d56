import { backoffMs as ofPolicy } from '../contract/retry.ts';

/**
 * How long to wait after so many failures in a row, the first being 1: a random time up to `initialMs`, doubled by each failure
 * after the first, and up to `maxMs` at most. Clients that lost the same broker at once do not come back at once.
 *
 * @returns milliseconds
 */
export function backoffMs(failures: number, initialMs: number, maxMs: number): number {
  return ofPolicy({ initialMs, maxMs, factor: 2, jitter: 'full' }, failures);
}
