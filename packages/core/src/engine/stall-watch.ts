import type { ReadProgress } from '../contract/transport.ts';

interface BehindSource {
  readonly position: ReadProgress['position'];
  /** When it was first seen to be behind at this position, by `performance.now()`. */
  readonly since: number;
  isReported: boolean;
}

/** The longest time between two checks: frequent compared with the limit, and rare enough to cost nothing. */
const maxPeriodMs = 5000;

/**
 * Finds stalls: sources that have been behind at the same position for longer than a limit. A timer checks them, so that reading itself
 * does no work for this.
 */
export class StallWatch {
  readonly #limitMs: number;
  readonly #sources: () => Iterable<ReadProgress>;
  readonly #onStall: (reason: string) => void;
  /** The sources that are behind, by name. */
  #behind = new Map<string, BehindSource>();
  #timer: NodeJS.Timeout | undefined;

  /** @param onStall - Called once per stall, until the source makes progress again. */
  constructor(limitMs: number, sources: () => Iterable<ReadProgress>, onStall: (reason: string) => void) {
    this.#limitMs = limitMs;
    this.#sources = sources;
    this.#onStall = onStall;
  }

  begin(): void {
    this.end();
    this.#timer = setInterval(() => this.stalls(), Math.min(this.#limitMs / 4, maxPeriodMs)).unref();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#behind.clear();
  }

  /** Checks all sources and returns the reason of each stall. */
  stalls(): string[] {
    const now = performance.now();
    const before = this.#behind;
    this.#behind = new Map();
    const stalls: string[] = [];
    for (const { source, position, behind } of this.#sources()) {
      if (behind === undefined) continue;
      // Two sources of the same name must not take each other's positions for progress.
      let name = source;
      while (this.#behind.has(name)) name += "'";
      const known = before.get(name);
      const entry = known?.position === position ? known : { position, since: now, isReported: false };
      this.#behind.set(name, entry);
      const durationMs = Math.floor(now - entry.since);
      if (durationMs <= this.#limitMs) continue;
      const reason = `${source} has made no progress for ${durationMs} ms: ${behind}`;
      stalls.push(reason);
      if (!entry.isReported) this.#onStall(reason);
      entry.isReported = true;
    }
    return stalls;
  }
}
