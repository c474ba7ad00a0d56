import type { Acknowledgement } from '@polybus/core';
import type { FetchedRecord } from './client-port.ts';
import type { Subscriber } from './group-dispatch.ts';
import type { Lane } from './group-lanes.ts';
import type { Place } from './reader.ts';
import { type Decoded, decode } from './record.ts';

/** Records that wait here for room in a receiver, beyond which no more are read. */
const enough = 500;

/**
 * A record that a group has taken and that is not settled, or not known to be. It is its own acknowledgement where one
 * subscription has it at a time.
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

  constructor(place: GroupPlace, record: FetchedRecord) {
    this.place = place;
    this.record = record;
  }

  get offset(): number {
    return this.record.offset;
  }

  get decoded(): Decoded {
    return this.record.decoded ?? decode(this.place.topic, this.place.partition, this.record);
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
  handOver(place: GroupPlace): void;
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
  /** In order of their offsets: the records that are not settled, and those behind the first of these. */
  #taken: Entry[] = [];
  #takenFrom = 0;
  /** In order of their offsets: the records that nobody has. */
  #waiting: Entry[] = [];
  #waitingFrom = 0;

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
    return !this.isDropped && this.#owner.isReading && this.#waiting.length - this.#waitingFrom < enough;
  }

  /** The end of the contiguous settled prefix: the offset to commit. */
  get settledUpTo(): number {
    const taken = this.#taken;
    while (this.#takenFrom < taken.length && taken[this.#takenFrom]!.isSettled) this.#takenFrom++;
    if (this.#takenFrom > 1024 || this.#takenFrom === taken.length) {
      taken.splice(0, this.#takenFrom);
      this.#takenFrom = 0;
    }
    return taken[this.#takenFrom]?.offset ?? this.position;
  }

  /** The first record that nobody has. */
  get first(): Entry | undefined {
    return this.#waiting[this.#waitingFrom];
  }

  shift(): void {
    this.#waiting[this.#waitingFrom++]!.isWaiting = false;
    if (this.#waitingFrom === this.#waiting.length || this.#waitingFrom > 1024) {
      this.#waiting.splice(0, this.#waitingFrom);
      this.#waitingFrom = 0;
    }
  }

  /** Puts back what somebody had, before what came after it. */
  giveBack(entry: Entry): void {
    const waiting = this.#waiting;
    let [from, to] = [this.#waitingFrom, waiting.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (waiting[middle]!.offset < entry.offset) from = middle + 1;
      else to = middle;
    }
    waiting.splice(from, 0, entry);
    entry.isWaiting = true;
  }

  take(records: readonly FetchedRecord[]): void {
    for (const record of records) {
      const entry = new Entry(this, record);
      this.#taken.push(entry);
      this.#waiting.push(entry);
    }
    this.#owner.handOver(this);
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
