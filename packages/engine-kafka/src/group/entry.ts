import type { Acknowledgement, ListenRequest, Receiver } from '@polybus/core/engine';
import type { Decoded } from '@polybus/core/engine-kit';
import type { FetchedRecord } from '../client/fetched-record.ts';
import { decode } from '../read/decode.ts';
import type { BusyKey } from './busy-keys.ts';

/** A subscription of the group in this process. */
export interface Subscriber {
  readonly request: ListenRequest;
  readonly receiver: Receiver;
  /** Events that it has and has not settled. */
  unsettled: number;
  isLeaving: boolean;
  readonly outcomes: Outcomes;
}

/** Called once for each event that a subscription got. */
export interface Outcomes {
  settled(entry: Entry, subscriber: Subscriber, key: BusyKey<Subscriber, Entry> | undefined): void;
  /** Returns whether the event will be delivered again. */
  released(entry: Entry, subscriber: Subscriber, key: BusyKey<Subscriber, Entry> | undefined): boolean;
}

/** The partition of an entry. */
export interface EntryPartition {
  readonly topic: string;
  readonly partition: number;
  /** True if another member may have the partition. */
  readonly isDropped: boolean;
  /** Takes the first entry off the ones to hand over. */
  shift(): void;
  settle(entry: Entry): void;
  /** Puts an entry back, to be handed over again. */
  giveBack(entry: Entry): void;
}

/**
 * A record on its way through a group. If one subscription of the group gets each event, it is also the acknowledgement: a large
 * backlog needs one object less per event.
 */
export class Entry implements Acknowledgement {
  readonly partition: EntryPartition;
  readonly record: FetchedRecord;
  isSettled = false;
  /** No subscription has it. */
  isWaiting = true;
  /** Attempts that had begun when it was last given back. */
  attempts = 0;
  /** The subscription that has it, or had it last. */
  subscriber: Subscriber | undefined = undefined;
  /** The subscriptions that got it, if each subscription gets all events. */
  recipients: Recipients | undefined = undefined;
  busyKey: BusyKey<Subscriber, Entry> | undefined = undefined;
  #decoded: Decoded | undefined = undefined;

  constructor(partition: EntryPartition, record: FetchedRecord) {
    this.partition = partition;
    this.record = record;
  }

  get offset(): number {
    return this.record.offset;
  }

  get decoded(): Decoded {
    return (this.#decoded ??= decode(this.partition.topic, this.partition.partition, this.record));
  }

  begun(attempt: number): void {
    this.attempts = attempt;
  }

  settled(): void {
    const { subscriber } = this;
    subscriber!.outcomes.settled(this, subscriber!, this.busyKey);
  }

  release(): boolean {
    const { subscriber } = this;
    return subscriber!.outcomes.released(this, subscriber!, this.busyKey);
  }
}

/** The subscriptions that got an event, if each subscription of the group gets all events. */
export class Recipients {
  /** The subscriptions that have not settled it. */
  readonly unsettled: Set<Subscriber> = new Set();
  readonly #settled = new Set<Subscriber>();
  /** The attempts that had begun when a subscription gave the event back. Created on demand, because that is rare. */
  #attempts: Map<Subscriber, number> | undefined;

  has(subscriber: Subscriber): boolean {
    return this.#settled.has(subscriber) || this.unsettled.has(subscriber);
  }

  settle(subscriber: Subscriber): void {
    this.#settled.add(subscriber);
    this.unsettled.delete(subscriber);
  }

  begunBefore(subscriber: Subscriber, attempts: number): void {
    (this.#attempts ??= new Map<Subscriber, number>()).set(subscriber, attempts);
  }

  attemptsOf(subscriber: Subscriber): number {
    return this.#attempts?.get(subscriber) ?? 0;
  }
}

/** The acknowledgement of one recipient, which counts its own attempts. */
export class Delivery implements Acknowledgement {
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
    this.#subscriber.outcomes.settled(this.#entry, this.#subscriber, undefined);
  }

  release(): boolean {
    if (this.#attempts > 0) this.#entry.recipients?.begunBefore(this.#subscriber, this.#attempts);
    return this.#subscriber.outcomes.released(this.#entry, this.#subscriber, undefined);
  }
}
