import type { ReadProgress } from '../contract/transport.ts';

interface Place {
  readonly position: ReadProgress['position'];
  /** When it was first seen to be behind here, by `performance.now()`. */
  readonly since: number;
  isTold: boolean;
}

/** How often places are looked at: often beside the limit, and seldom enough to cost nothing. */
const longestPeriodMs = 5000;

/**
 * Finds what stands still: a place that is behind and has not moved for longer than a limit. Places are looked at by a timer,
 * never by what moves them.
 */
export class StallWatch {
  readonly #limitMs: number;
  readonly #look: () => Iterable<ReadProgress>;
  readonly #onStall: (reason: string) => void;
  /** Those that are behind, by their names. */
  #behind = new Map<string, Place>();
  #timer: NodeJS.Timeout | undefined;

  /** @param onStall - Told once of each place that stands still, until it moves again. */
  constructor(limitMs: number, look: () => Iterable<ReadProgress>, onStall: (reason: string) => void) {
    this.#limitMs = limitMs;
    this.#look = look;
    this.#onStall = onStall;
  }

  begin(): void {
    this.end();
    this.#timer = setInterval(() => this.stalls(), Math.min(this.#limitMs / 4, longestPeriodMs)).unref();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#behind.clear();
  }

  /** Looks at all places, and says which stand still and why. */
  stalls(): string[] {
    const now = performance.now();
    const before = this.#behind;
    this.#behind = new Map();
    const stalls: string[] = [];
    for (const { source, position, behind } of this.#look()) {
      if (behind === undefined) continue;
      // Two places of one name must not take each other's positions for progress.
      let name = source;
      while (this.#behind.has(name)) name += "'";
      const known = before.get(name);
      const place = known?.position === position ? known : { position, since: now, isTold: false };
      this.#behind.set(name, place);
      const standsFor = Math.floor(now - place.since);
      if (standsFor <= this.#limitMs) continue;
      const reason = `${source} has stood still for ${standsFor} ms: ${behind}`;
      stalls.push(reason);
      if (!place.isTold) this.#onStall(reason);
      place.isTold = true;
    }
    return stalls;
  }
}
