import type { Event } from '@polybus/core';

/** An event and its number in the order of publishing. */
export interface HistoryEntry {
  readonly sequence: number;
  readonly event: Event;
}

/** How far a timestamp may be from the last reading of the clocks to use that reading, in milliseconds. */
const precisionMs = 10;

/**
 * The last events of the engine, at most `size` of them and none older than `retentionMs`.
 *
 * The age of an event when it is published is the time since its `createdAt`, or zero if `createdAt` is in the future. From then on, the
 * monotonic clock measures its age, so that a change of the wall clock expires nothing.
 */
export class History {
  readonly #size: number;
  readonly #retentionMs: number;
  readonly #events: (Event | undefined)[] = [];
  /** Of each event, the start of its retention time, by `performance.now()`. In an array of its own: no object for each event. */
  readonly #since: number[] = [];
  #oldest = 0;
  #next = 0;
  readonly #onLost: (event: Event, sequence: number) => void;
  /** The last reading of both clocks, because reading them for each event would cost more than storing the event. */
  #wallMs = Number.NEGATIVE_INFINITY;
  #monotonicMs = 0;

  /** @param onLost - Called for each event that is removed, because the history is full or the event is too old. */
  constructor(size: number, retentionMs: number, onLost: (event: Event, sequence: number) => void) {
    this.#size = size;
    this.#retentionMs = retentionMs;
    this.#onLost = onLost;
  }

  /** The sequence number that the next event gets. */
  get next(): number {
    return this.#next;
  }

  /** Keeps an event, and returns its sequence number. */
  add(event: Event): number {
    const sequence = this.#next++;
    if (this.#size === 0) return sequence;
    const createdMs = event.createdAt.getTime();
    if (Math.abs(createdMs - this.#wallMs) > precisionMs) {
      this.#wallMs = Date.now();
      this.#monotonicMs = performance.now();
    }
    const age = Math.max(0, this.#wallMs - createdMs);
    if (sequence - this.#oldest === this.#size) this.#lose();
    const at = sequence % this.#size;
    this.#events[at] = event;
    this.#since[at] = this.#monotonicMs - age;
    this.#expire(this.#monotonicMs);
    return sequence;
  }

  /** The kept events, oldest first. */
  *all(): Generator<HistoryEntry> {
    if (this.#size === 0) return;
    const now = performance.now();
    this.#expire(now);
    for (let sequence = this.#oldest; sequence < this.#next; sequence++) {
      const at = sequence % this.#size;
      // An event may be older than the events before it, because a publisher can set `createdAt`.
      if (now - this.#since[at]! <= this.#retentionMs) yield { sequence, event: this.#events[at]! };
    }
  }

  clear(): void {
    this.#events.length = 0;
    this.#since.length = 0;
    this.#oldest = this.#next;
  }

  #expire(now: number): void {
    while (this.#oldest < this.#next) {
      if (now - this.#since[this.#oldest % this.#size]! <= this.#retentionMs) return;
      this.#lose();
    }
  }

  #lose(): void {
    const sequence = this.#oldest++;
    const at = sequence % this.#size;
    this.#onLost(this.#events[at]!, sequence);
    this.#events[at] = undefined;
  }
}
