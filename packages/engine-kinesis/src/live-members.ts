import type { Member } from './group-document.ts';

/** Tells which members of a group are alive, by watching their beats on our own clock: no two clocks are compared. */
export class LiveMembers {
  readonly #leaseMs: number;
  readonly #seen = new Map<string, { beat: number; at: number }>();

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  /** True where a member's beat has not changed for the lease time since we first saw it. */
  isDead(id: string, { beat }: Member): boolean {
    const now = performance.now();
    const seen = this.#seen.get(id);
    if (seen === undefined || seen.beat !== beat) {
      this.#seen.set(id, { beat, at: now });
      return false;
    }
    return now - seen.at >= this.#leaseMs;
  }
}
