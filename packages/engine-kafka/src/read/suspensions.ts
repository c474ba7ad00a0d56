/** How long a partition is left alone at most that could not be read, in milliseconds. */
const suspensionMs = 2000;
const backoffMs = 100;
/** Failures in passing, one after the other, beyond which it is news that a partition cannot be read. */
const patience = 4;

interface Suspension {
  /** On the monotonic clock. */
  until: number;
  failures: number;
  reason: string;
  isTold: boolean;
}

/** Partitions that could not be read, and are left alone for a while so that the others can. */
export class Suspensions {
  /** Those that have not been read since. */
  readonly #failing = new Map<string, Suspension>();

  /**
   * @param isPassing - Such a failure is tried again soon, and told only once it comes again and again.
   * @returns True if who runs this is to be told of it: once, until the partition can be read again.
   */
  suspend(key: string, reason: string, isPassing: boolean): boolean {
    const before = this.#failing.get(key);
    const failures = (before?.failures ?? 0) + 1;
    const ms = isPassing ? Math.min(backoffMs * 2 ** (failures - 1), suspensionMs) : suspensionMs;
    const isNews = before?.isTold !== true && (!isPassing || failures >= patience);
    const isTold = isNews || before?.isTold === true;
    this.#failing.set(key, { until: performance.now() + ms, failures, reason, isTold });
    return isNews;
  }

  has(key: string): boolean {
    const until = this.#failing.get(key)?.until;
    return until !== undefined && until > performance.now();
  }

  /** Why it could not be read last. */
  reasonOf(key: string): string | undefined {
    return this.#failing.get(key)?.reason;
  }

  /** For how long all those are left alone that are now, in milliseconds: a suspension that ends wakes nobody. */
  get leastMs(): number {
    let least = suspensionMs;
    const now = performance.now();
    for (const { until } of this.#failing.values()) if (until > now) least = Math.min(least, until - now);
    return least;
  }

  /** It was read; true if that is news. */
  isOver(key: string): boolean {
    if (this.#failing.size === 0) return false;
    const isTold = this.#failing.get(key)?.isTold === true;
    this.#failing.delete(key);
    return isTold;
  }

  forget(key: string): void {
    this.#failing.delete(key);
  }
}
