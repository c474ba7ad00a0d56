import type { Member } from './document.ts';

interface Sighting {
  beat: number;
  /** Milliseconds that it has stood still, as far as we looked. */
  still: number;
  lookedAt: number;
}

/** Tells which members of a group are alive, by watching their beats on our own clock: no two clocks are compared. */
export class LiveMembers {
  readonly #leaseMs: number;
  readonly #seen = new Map<string, Sighting>();

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  /** True where a member's beat has not changed for the lease time. */
  isDead(id: string, { beat }: Member): boolean {
    const now = performance.now();
    const seen = this.#seen.get(id);
    if (seen === undefined || seen.beat !== beat) {
      this.#seen.set(id, { beat, still: 0, lookedAt: now });
      return false;
    }
    // A process that has slept has not watched: one look after a long time says little about the others.
    seen.still += Math.min(now - seen.lookedAt, this.#leaseMs / 3);
    seen.lookedAt = now;
    return seen.still >= this.#leaseMs;
  }
}
