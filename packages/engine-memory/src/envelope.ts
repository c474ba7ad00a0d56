import type { Event } from '@polybus/core';
import type { Acknowledgement, EndWait, Receiver } from '@polybus/core/engine';

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

/** The wait of one publish, for its sync handlers, and for room if a buffer is full. */
export class PublishWait implements Acknowledgement {
  readonly load: TopicLoad;
  #remaining = 0;
  #ends: EndWait[] | undefined = undefined;
  #resolve: (() => void) | undefined = undefined;

  constructor(load: TopicLoad) {
    this.load = load;
  }

  /** Waits for another receiver. Returns false if that wait would be a deadlock. */
  add(receiver: Receiver): boolean {
    const leave = receiver.beginWait();
    if (leave === false) return false;
    if (leave !== true) (this.#ends ??= []).push(leave);
    this.#remaining++;
    return true;
  }

  /** A receiver is done. */
  done(): void {
    if (--this.#remaining > 0) return;
    for (const end of this.#ends ?? []) end();
    this.#ends = undefined;
    this.#resolve?.();
  }

  settled(): void {
    this.load.settled();
    this.done();
  }

  release(): boolean {
    this.settled();
    return false;
  }

  /**
   * The event moves to another receiver. A handler does not wait for it any more, because the new receiver may itself wait for that
   * handler.
   *
   * @returns the acknowledgement to call from now on.
   */
  movedOn(): Acknowledgement {
    if (this.#ends === undefined) return this;
    this.done();
    return this.load;
  }

  /** Undefined if there is nothing to wait for. */
  promise(): Promise<void> | undefined {
    if (this.#remaining === 0) return undefined;
    return new Promise((resolve) => (this.#resolve = resolve));
  }
}

/** An event for a subscription that has no room for it yet. `TopicLoad` already counts it. */
export interface Envelope {
  readonly event: Event;
  readonly acknowledgement: Acknowledgement;
  readonly load: TopicLoad;
  /** True if the event may enter the buffer although its topic is full. */
  readonly isBeyondLoad: boolean;
  readonly isReplay: boolean;
  /** Attempts that started in earlier deliveries. */
  readonly attempts: number;
  /** The publish that waits for the event, if there is one. */
  readonly wait: PublishWait | undefined;
  /** False for a sync subscription: the publish waits until its handler ends. */
  readonly endsWaitWhenTaken: boolean;
  timer?: NodeJS.Timeout | undefined;
}
