/** What this process may still ask of a shard, over all its readers. */
export class ShardLimits {
  /** When the next read may begin, by `performance.now()`. */
  openAt = 0;
  /** When the last iterators were requested. */
  readonly #requestedAt: number[] = [];

  /** Reserves one of the iterators that the limit per second allows, and returns when to request it, by `performance.now()`. */
  nextIteratorAt(perSecond: number): number {
    const at = Math.max(
      performance.now(),
      (this.#requestedAt.at(-perSecond) ?? Number.NEGATIVE_INFINITY) + 1000,
    );
    this.#requestedAt.push(at);
    if (this.#requestedAt.length > perSecond) this.#requestedAt.shift();
    return at;
  }
}
