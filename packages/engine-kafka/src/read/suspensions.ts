import { backoffMs } from '@polybus/core/engine-kit';

/** The longest time that a partition is not read after a failure, in milliseconds. */
const maxSuspensionMs = 2000;
const initialSuspensionMs = 100;
/** After so many failures in a row the reader logs a warning, although the failure may pass. */
const failuresBeforeReport = 4;

interface Suspension {
  /** By `performance.now()`. */
  until: number;
  failures: number;
  reason: string;
  isReported: boolean;
}

/** Partitions that could not be read, and are not read for a while so that others can be. */
export class Suspensions {
  /** Partitions that have not been read since their last failure. */
  readonly #failing = new Map<string, Suspension>();

  /**
   * @param isPassing - True if another attempt may succeed: it is made soon, and only repeated failures are reported.
   * @returns True if the failure is to be reported: once, until the partition can be read again.
   */
  suspend(key: string, reason: string, isPassing: boolean): boolean {
    const before = this.#failing.get(key);
    const failures = (before?.failures ?? 0) + 1;
    const ms = isPassing ? backoffMs(failures, initialSuspensionMs, maxSuspensionMs) : maxSuspensionMs;
    const isNew = before?.isReported !== true && (!isPassing || failures >= failuresBeforeReport);
    const isReported = isNew || before?.isReported === true;
    this.#failing.set(key, { until: performance.now() + ms, failures, reason, isReported });
    return isNew;
  }

  has(key: string): boolean {
    const until = this.#failing.get(key)?.until;
    return until !== undefined && until > performance.now();
  }

  /** The last failure. */
  reasonOf(key: string): string | undefined {
    return this.#failing.get(key)?.reason;
  }

  /** Milliseconds until the next suspension ends. The end of a suspension wakes no loop. */
  get leastMs(): number {
    let least = maxSuspensionMs;
    const now = performance.now();
    for (const { until } of this.#failing.values()) if (until > now) least = Math.min(least, until - now);
    return least;
  }

  /** The partition was read. Returns true if its failure had been reported. */
  isOver(key: string): boolean {
    if (this.#failing.size === 0) return false;
    const isReported = this.#failing.get(key)?.isReported === true;
    this.#failing.delete(key);
    return isReported;
  }

  forget(key: string): void {
    this.#failing.delete(key);
  }
}
