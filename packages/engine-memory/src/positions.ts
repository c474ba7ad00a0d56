import { matchesTopic, patternCovers } from '@polybus/core';

/**
 * A group's position in each topic that it has no subscription to now: the sequence number of the first event that it has not
 * had. A pattern counts for every topic that it matches.
 */
export class GroupPositions {
  readonly #left = new Map<string, number>();

  get isEmpty(): boolean {
    return this.#left.size === 0;
  }

  /** The last subscription to the topic or pattern has ended; `next` is the sequence number of the next event. */
  leave(pattern: string, next: number): void {
    this.#left.set(pattern, next);
  }

  /** A subscription has taken over the positions in all topics that it matches. */
  join(pattern: string): void {
    for (const left of this.#left.keys()) if (patternCovers(pattern, left)) this.#left.delete(left);
  }

  /** Undefined for a topic that is new to the group. */
  of(topic: string): number | undefined {
    let position: number | undefined;
    for (const [pattern, next] of this.#left) {
      if (matchesTopic(pattern, topic)) position = Math.max(position ?? 0, next);
    }
    return position;
  }
}
