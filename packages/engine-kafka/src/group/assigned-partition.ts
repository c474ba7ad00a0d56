import type { Acknowledgement } from '@polybus/core/engine';
import type { FetchedRecord } from '../client/fetched-record.ts';
import type { CommittedOffset } from '../client/kafka-client.ts';
import type { Subscriber } from './dispatch.ts';
import type { Shares } from './entry.ts';
import type { Lane } from './busy-keys.ts';
import { type OffsetRange, type PlaceState, encodeMetadata } from './metadata.ts';
import type { Place } from '../read/reader.ts';
import type { Decoded } from '../client/fetched-record.ts';
import { decode } from '../read/record.ts';
import { Unread } from '../read/unread.ts';

/** Records that wait here for room in a receiver, beyond which no more are read. */
const enough = 500;
/** Settled entries behind one that is not, beyond which they are let go of. */
const manySettled = 1024;

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
  /** Where each subscription gets all: who has had it. */
  shares: Shares | undefined = undefined;
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

/**
 * A group's place in a partition that it was assigned here: what was read, what is settled, and up to where. What is settled
 * behind an event that is not goes with the committed offset, so that whoever has the partition next does not repeat it.
 */
export class GroupPlace implements Place {
  readonly topic: string;
  readonly partition: number;
  position: number;
  /** What was committed last. */
  committed: CommittedOffset;
  /** Another member may have it: nothing of it counts any more. */
  isDropped = false;
  readonly #owner: PlaceOwner;
  readonly #partitionsBefore: number;
  /**
   * In order of their offsets: entries that are not settled, and some that are. What was handed over and is not here is settled.
   */
  #handed: Entry[] = [];
  #handedFrom = 0;
  /** The offset behind the last one that was handed over. */
  #handedEnd = 0;
  /** How many of `#handed` are settled, about. */
  #settledBehind = 0;
  /** In order of their offsets: the entries that were given back. */
  #back: Entry[] = [];
  /** The records behind all of these. */
  #read = new Unread();
  #next: Entry | undefined;
  /** What members before this one settled beyond what has been handed over here. */
  #settledAhead: readonly OffsetRange[];
  /** The attempts that they had begun, of what has not been handed over here. */
  readonly #attemptsAhead: Map<number, number>;

  constructor(at: CommittedOffset, state: PlaceState, owner: PlaceOwner) {
    this.topic = at.topic;
    this.partition = at.partition;
    this.position = at.offset;
    this.committed = at;
    this.#owner = owner;
    this.#partitionsBefore = state.partitionsBefore;
    this.#settledAhead = state.settled;
    this.#attemptsAhead = new Map(state.attempts);
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
    this.#handedEnd = entry.offset + 1;
    if (this.#attemptsAhead.size > 0) this.#inheritAttempts(entry);
  }

  #inheritAttempts(entry: Entry): void {
    entry.attempts = this.#attemptsAhead.get(entry.offset) ?? 0;
    this.#attemptsAhead.delete(entry.offset);
  }

  settle(entry: Entry): void {
    entry.isSettled = true;
    this.#settledBehind++;
    const handed = this.#handed;
    if (handed[this.#handedFrom] !== entry) {
      if (this.#settledBehind > manySettled && this.#settledBehind * 2 > handed.length) this.#letGo();
      return;
    }
    while (this.#handedFrom < handed.length && handed[this.#handedFrom]!.isSettled) this.#handedFrom++;
    if (this.#handedFrom === handed.length) handed.length = this.#handedFrom = this.#settledBehind = 0;
    else if (this.#handedFrom > manySettled) this.#letGo();
  }

  /** What is settled behind an event that is not may be much: a handler may run for hours. */
  #letGo(): void {
    this.#handed = this.#handed.filter(({ isSettled }) => !isSettled);
    this.#handedFrom = this.#settledBehind = 0;
  }

  /** @param maxLength - Characters that its metadata may have. */
  toCommit(maxLength: number): CommittedOffset {
    const { topic, partition, settledUpTo: offset } = this;
    const attempts = new Map<number, number>();
    const settled: OffsetRange[] = [];
    let at = offset;
    for (const entry of this.#handed) {
      if (entry.isSettled) continue;
      if (entry.offset > at) settled.push({ from: at, to: entry.offset });
      at = entry.offset + 1;
      // Of one that runs it is not known yet whether it will be given back.
      if (entry.isWaiting && entry.attempts > 0) attempts.set(entry.offset, entry.attempts);
    }
    if (this.#handedEnd > at) settled.push({ from: at, to: (at = this.#handedEnd) });
    for (const { from, to } of this.#settledAhead)
      if (to > at) settled.push({ from: Math.max(at, from), to });
    for (const [of, count] of this.#attemptsAhead) {
      if (of >= at) attempts.set(of, count);
      // It was compacted away.
      else this.#attemptsAhead.delete(of);
    }
    const state = { partitionsBefore: this.#partitionsBefore, settled, attempts };
    return { topic, partition, offset, metadata: encodeMetadata(offset, state, maxLength) };
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
    this.#read.add(this.#settledAhead.length === 0 ? records : this.#withoutSettled(records));
  }

  #withoutSettled(records: readonly FetchedRecord[]): readonly FetchedRecord[] {
    this.#settledAhead = this.#settledAhead.filter(({ to }) => to > this.#handedEnd);
    return records.filter((record) => {
      const isSettled = this.#settledAhead.some(
        ({ from, to }) => from <= record.offset && record.offset < to,
      );
      if (isSettled) record.takers--;
      return !isSettled;
    });
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
    else this.#forget();
  }

  /** The log is another one: what was read of the one before has no offset in it. */
  #forget(): void {
    [this.#handed, this.#back, this.#read] = [[], [], new Unread()];
    this.#handedFrom = this.#handedEnd = this.#settledBehind = 0;
    this.#next = undefined;
    this.#settledAhead = [];
    this.#attemptsAhead.clear();
  }
}
