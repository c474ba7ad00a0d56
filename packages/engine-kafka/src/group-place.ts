import type { Acknowledgement } from '@polybus/core';
import type { FetchedRecord } from './client-port.ts';
import type { Subscriber } from './group-dispatch.ts';
import type { Lane } from './group-lanes.ts';
import type { Place } from './reader.ts';
import { type Decoded, decode } from './record.ts';
import { Unread } from './unread.ts';

/** Records that wait here for room in a receiver, beyond which no more are read. */
const enough = 500;

/**
 * A record that a group has handed to a subscription, or is about to. It is its own acknowledgement where one subscription has
 * it at a time.
 */
export class Entry implements Acknowledgement {
  readonly place: GroupPlace;
  readonly record: FetchedRecord;
  isSettled = false;
  /** Nobody has it. */
  isWaiting = true;
  /** Attempts that had begun when it was given back. */
  attempts = 0;
  /** Who has it, or had it last. */
  subscriber: Subscriber | undefined = undefined;
  /** The lane that it holds. */
  lane: Lane<Subscriber> | undefined = undefined;
  #decoded: Decoded | undefined = undefined;

  constructor(place: GroupPlace, record: FetchedRecord) {
    this.place = place;
    this.record = record;
  }

  get offset(): number {
    return this.record.offset;
  }

  get decoded(): Decoded {
    return (this.#decoded ??= decode(this.place.topic, this.place.partition, this.record));
  }

  begun(attempt: number): void {
    this.attempts = attempt;
  }

  settled(): void {
    const { subscriber } = this;
    subscriber!.dispatch.settled(this, subscriber!, this.lane);
  }

  release(): boolean {
    const { subscriber } = this;
    return subscriber!.dispatch.released(this, subscriber!, this.lane);
  }
}

export interface PlaceOwner {
  /** False while partitions may change hands. */
  readonly isReading: boolean;
  /** Hands over at most so many, and returns whether it has. */
  handOver(place: GroupPlace, limit?: number): boolean;
  run(): void;
  onOpen(): void;
  onLoss(topic: string): void;
}

/** A group's place in a partition that it was assigned here: what was read, what is settled, and up to where. */
export class GroupPlace implements Place {
  readonly topic: string;
  readonly partition: number;
  /** Goes with each commit: see `GroupOffsets`. */
  readonly metadata: string;
  position: number;
  /** The offset that was committed last. */
  committed: number;
  /** Another member may have it: nothing of it counts any more. */
  isDropped = false;
  readonly #owner: PlaceOwner;
  /** In order of their offsets: the entries that are not settled, and those behind the first of these. */
  readonly #handed: Entry[] = [];
  #handedFrom = 0;
  /** In order of their offsets: the entries that were given back. */
  readonly #back: Entry[] = [];
  /** The records behind all of these. */
  readonly #read = new Unread();
  #next: Entry | undefined;

  constructor(
    at: { topic: string; partition: number; offset: number; metadata: string },
    committed: number,
    owner: PlaceOwner,
  ) {
    this.topic = at.topic;
    this.partition = at.partition;
    this.metadata = at.metadata;
    this.position = at.offset;
    this.committed = committed;
    this.#owner = owner;
  }

  get isOpen(): boolean {
    return !this.isDropped && this.#owner.isReading && this.#back.length + this.#read.size < enough;
  }

  /** The end of the contiguous settled prefix: the offset to commit. */
  get settledUpTo(): number {
    return (this.#handed[this.#handedFrom] ?? this.#read.first)?.offset ?? this.position;
  }

  /** The first record that nobody has. */
  get first(): Entry | undefined {
    const record = this.#read.first;
    if (this.#back.length > 0 || record === undefined) return this.#back[0];
    // Made only now, and of all that was read at once only a few: what lives shortly costs little.
    return (this.#next ??= new Entry(this, record));
  }

  shift(): void {
    const entry = this.first!;
    entry.isWaiting = false;
    if (this.#back.shift() !== undefined) return;
    this.#next = undefined;
    this.#read.shift();
    this.#handed.push(entry);
  }

  settle(entry: Entry): void {
    entry.isSettled = true;
    const handed = this.#handed;
    if (handed[this.#handedFrom] !== entry) return;
    while (this.#handedFrom < handed.length && handed[this.#handedFrom]!.isSettled) this.#handedFrom++;
    if (this.#handedFrom === handed.length) handed.length = 0;
    else if (this.#handedFrom > 1024) handed.splice(0, this.#handedFrom);
    else return;
    this.#handedFrom = 0;
  }

  /** Puts back what somebody had, before what came after it. */
  giveBack(entry: Entry): void {
    let [from, to] = [0, this.#back.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#back[middle]!.offset < entry.offset) from = middle + 1;
      else to = middle;
    }
    this.#back.splice(from, 0, entry);
    entry.isWaiting = true;
  }

  take(records: readonly FetchedRecord[]): void {
    this.#read.add(records);
  }

  handOver(limit: number): boolean {
    return this.#owner.handOver(this, limit);
  }

  run(): void {
    this.#owner.run();
  }

  refill(): void {
    if (this.first === undefined) return;
    const wasOpen = this.isOpen;
    this.#owner.handOver(this);
    if (!wasOpen && this.isOpen) this.#owner.onOpen();
  }

  move(position: number, isLoss: boolean): void {
    this.position = position;
    if (isLoss) this.#owner.onLoss(this.topic);
  }
}
