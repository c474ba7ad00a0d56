import type { Acknowledgement } from '@polybus/core/engine';
import type { Subscriber } from './dispatch.ts';
import type { Entry } from './assigned-partition.ts';

/** Who has had a record, where each subscription gets all of them. */
export class Shares {
  readonly handedTo: Set<Subscriber> = new Set();
  readonly #settledBy = new Set<Subscriber>();
  /** The attempts that had begun when a subscription gave it back; most never do. */
  #attempts: Map<Subscriber, number> | undefined;

  /** True where the subscription has it, or is through with it. */
  has(subscriber: Subscriber): boolean {
    return this.#settledBy.has(subscriber) || this.handedTo.has(subscriber);
  }

  settle(subscriber: Subscriber): void {
    this.#settledBy.add(subscriber);
    this.handedTo.delete(subscriber);
  }

  begunBefore(subscriber: Subscriber, attempts: number): void {
    (this.#attempts ??= new Map<Subscriber, number>()).set(subscriber, attempts);
  }

  attemptsOf(subscriber: Subscriber): number {
    return this.#attempts?.get(subscriber) ?? 0;
  }
}

/** An event that a subscription has, where each of them gets all, with attempts of its own. */
export class Handed implements Acknowledgement {
  readonly #entry: Entry;
  readonly #subscriber: Subscriber;
  #attempts = 0;

  constructor(entry: Entry, subscriber: Subscriber) {
    this.#entry = entry;
    this.#subscriber = subscriber;
  }

  begun(attempt: number): void {
    this.#attempts = attempt;
  }

  settled(): void {
    this.#subscriber.dispatch.settled(this.#entry, this.#subscriber, undefined);
  }

  release(): boolean {
    if (this.#attempts > 0) this.#entry.shares?.begunBefore(this.#subscriber, this.#attempts);
    return this.#subscriber.dispatch.released(this.#entry, this.#subscriber, undefined);
  }
}
