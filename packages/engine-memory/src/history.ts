import type { Event } from '@polybus/core';

/** An event and its place in the order of publishing. */
export interface HistoryEntry {
  readonly sequence: number;
  readonly event: Event;
}

interface Kept {
  readonly event: Event;
  /** Where its retention counts from: `createdAt`, unless a publisher's clock put that into the future. */
  readonly since: number;
}

/** The last events of the engine, at most `size` of them and none older than `retentionMs`. */
export class History {
  readonly #size: number;
  readonly #retentionMs: number;
  readonly #ring: (Kept | undefined)[] = [];
  #oldest = 0;
  #next = 0;

  constructor(size: number, retentionMs: number) {
    this.#size = size;
    this.#retentionMs = retentionMs;
  }

  /** The sequence number that the next event gets. */
  get next(): number {
    return this.#next;
  }

  /** Keeps an event, and returns its sequence number. */
  add(event: Event): number {
    const sequence = this.#next++;
    if (this.#size === 0) return sequence;
    const now = Date.now();
    this.#ring[sequence % this.#size] = { event, since: Math.min(event.createdAt.getTime(), now) };
    if (this.#next - this.#oldest > this.#size) this.#oldest++;
    this.#expire(now);
    return sequence;
  }

  /** What is kept, from a sequence number on, oldest first. */
  *from(sequence: number): Generator<HistoryEntry> {
    if (this.#size === 0) return;
    const now = Date.now();
    this.#expire(now);
    for (let at = Math.max(sequence, this.#oldest); at < this.#next; at++) {
      const { event, since } = this.#ring[at % this.#size]!;
      // A publisher may say that an event is older than those before it.
      if (now - since <= this.#retentionMs) yield { sequence: at, event };
    }
  }

  clear(): void {
    this.#ring.length = 0;
    this.#oldest = this.#next;
  }

  #expire(now: number): void {
    for (; this.#oldest < this.#next; this.#oldest++) {
      const at = this.#oldest % this.#size;
      if (now - this.#ring[at]!.since <= this.#retentionMs) return;
      this.#ring[at] = undefined;
    }
  }
}
