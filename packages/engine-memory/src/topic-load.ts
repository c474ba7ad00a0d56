import type { Acknowledgement } from '@polybus/core/engine';

/** The deliveries of one topic that are not settled: what `maxEventQueueSize` bounds. */
export class TopicLoad implements Acknowledgement {
  readonly #limit: number;
  /** Mailboxes that may hold events that wait for room here. */
  readonly #waiters = new Set<{ drain(): void }>();
  #pending = 0;
  /** How many of the pending events are in a waiting room, or wait for their key in a group. They must not block the events that they wait for. */
  #waiting = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isFull(): boolean {
    return this.#pending - this.#waiting >= this.#limit;
  }

  get isEmpty(): boolean {
    return this.#pending === 0;
  }

  taken(): void {
    this.#pending++;
  }

  /** Counts a waiting event. `waiter` is the mailbox whose waiting room has the event, if it waits for room. */
  waits(waiter?: { drain(): void }): void {
    this.#waiting++;
    if (waiter !== undefined) this.#waiters.add(waiter);
  }

  waitsNoMore(): void {
    this.#waiting--;
    if (this.#waiting === 0) this.#waiters.clear();
  }

  settled(): void {
    const wasFull = this.isFull;
    this.#pending--;
    if (wasFull) this.offerRoom();
  }

  /** If there is room, delivers events that wait for it. */
  offerRoom(): void {
    if (!this.isFull) for (const waiter of this.#waiters) waiter.drain();
  }

  release(): boolean {
    this.settled();
    return false;
  }
}
