import type { MemberEntry } from './lease-table.ts';

interface Sighting {
  heartbeat: number;
  /** Milliseconds without a change, as far as this process was watching. */
  unchangedMs: number;
  seenAt: number;
}

/** Detects dead members of a group by watching their heartbeats on this process's clock: clocks of processes are never compared. */
export class LiveMembers {
  readonly #leaseMs: number;
  readonly #seen = new Map<string, Sighting>();

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  /** Forgets the members that are not among these. */
  forgetOthers(members: Readonly<Record<string, MemberEntry>>): void {
    for (const id of this.#seen.keys()) if (members[id] === undefined) this.#seen.delete(id);
  }

  /** True if a member's heartbeat has not changed for the duration of a lease. */
  isDead(id: string, { heartbeat }: MemberEntry): boolean {
    const now = performance.now();
    const seen = this.#seen.get(id);
    if (seen === undefined || seen.heartbeat !== heartbeat) {
      this.#seen.set(id, { heartbeat, unchangedMs: 0, seenAt: now });
      return false;
    }
    // A process that was suspended has not watched: after a long time, one observation says little about the others.
    seen.unchangedMs += Math.min(now - seen.seenAt, this.#leaseMs / 3);
    seen.seenAt = now;
    return seen.unchangedMs >= this.#leaseMs;
  }
}
