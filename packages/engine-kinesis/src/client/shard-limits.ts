/** What this process may still ask of a shard, whoever reads it. */
export class ShardLimits {
  /** When the next read may begin, on our clock. */
  openAt = 0;
  /** When the last iterators were asked for. */
  readonly #pinned: number[] = [];

  /** Takes one of so many iterators per second, and says when it may be asked for, on our clock. */
  nextPinAt(perSecond: number): number {
    const at = Math.max(performance.now(), (this.#pinned.at(-perSecond) ?? Number.NEGATIVE_INFINITY) + 1000);
    this.#pinned.push(at);
    if (this.#pinned.length > perSecond) this.#pinned.shift();
    return at;
  }
}
