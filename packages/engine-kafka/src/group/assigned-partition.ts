import type { FetchedRecord } from '../client/fetched-record.ts';
import type { CommittedOffset } from '../client/kafka-client.ts';
import type { Cursor } from '../read/cursor.ts';
import { Unread } from '../read/unread.ts';
import { Entry, type EntryPartition } from './entry.ts';
import { type OffsetRange, type PartitionState, encodeMetadata } from './metadata.ts';

/** Records that wait for room in a receiver, beyond which the partition is not read. */
const maxUnread = 500;
/** Settled entries behind an unsettled entry, beyond which their memory is released. */
const maxSettledBehind = 1024;

export interface PartitionOwner {
  /** False while the partitions of the group may move to other members. */
  readonly isReading: boolean;
  /** Hands over up to `limit` records of the partition. Returns whether it handed over `limit` records. */
  handOver(partition: AssignedPartition, limit?: number): boolean;
  run(): void;
  /** The partition has room again. */
  onOpen(): void;
  onLoss(topic: string): void;
}

/**
 * A partition that is assigned to this member: which records were read, which are settled, and which offset to commit. The
 * offsets that are settled behind an unsettled event are committed as metadata, so that the next owner does not repeat them.
 */
export class AssignedPartition implements Cursor, EntryPartition {
  readonly topic: string;
  readonly partition: number;
  position: number;
  /** The last commit. */
  committed: CommittedOffset;
  /** True if another member may have the partition: nothing is handed over or committed any more. */
  isDropped = false;
  readonly #owner: PartitionOwner;
  readonly #partitionsBefore: number;
  /**
   * Entries that were handed over, in order of their offsets: all that are unsettled, and some that are settled. An entry that
   * was handed over and is missing here is settled.
   */
  #handed: Entry[] = [];
  #handedFrom = 0;
  /** The offset after the last entry that was handed over. */
  #handedEnd = 0;
  /** Settled entries in `#handed`, approximately. */
  #settledBehind = 0;
  /** Entries that were given back, in order of their offsets. */
  #back: Entry[] = [];
  /** Records that were read and not handed over yet. */
  #read = new Unread();
  #next: Entry | undefined;
  /** Offsets that previous owners settled, as far as they are not handed over here yet. */
  #settledAhead: readonly OffsetRange[];
  /** By offset: attempts of previous owners at records that are not handed over here yet. */
  readonly #attemptsAhead: Map<number, number>;

  constructor(at: CommittedOffset, state: PartitionState, owner: PartitionOwner) {
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
    return !this.isDropped && this.#owner.isReading && this.#back.length + this.#read.size < maxUnread;
  }

  /** The end of the contiguous settled prefix: the offset to commit. */
  get settledUpTo(): number {
    return (this.#handed[this.#handedFrom] ?? this.#read.first)?.offset ?? this.position;
  }

  /** The next entry to hand over. */
  get first(): Entry | undefined {
    const record = this.#read.first;
    if (this.#back.length > 0 || record === undefined) return this.#back[0];
    // Created on demand: objects that live only briefly are cheap for the garbage collector, thousands at once are not.
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
      if (this.#settledBehind > maxSettledBehind && this.#settledBehind * 2 > handed.length)
        this.#forgetSettled();
      return;
    }
    while (this.#handedFrom < handed.length && handed[this.#handedFrom]!.isSettled) this.#handedFrom++;
    if (this.#handedFrom === handed.length) handed.length = this.#handedFrom = this.#settledBehind = 0;
    else if (this.#handedFrom > maxSettledBehind) this.#forgetSettled();
  }

  /** Many entries may be settled behind an unsettled entry: its handler may run for hours. */
  #forgetSettled(): void {
    this.#handed = this.#handed.filter(({ isSettled }) => !isSettled);
    this.#handedFrom = this.#settledBehind = 0;
  }

  /** @param maxLength - The largest length of the metadata, in characters. */
  toCommit(maxLength: number): CommittedOffset {
    const { topic, partition, settledUpTo: offset } = this;
    const attempts = new Map<number, number>();
    const settled: OffsetRange[] = [];
    let at = offset;
    for (const entry of this.#handed) {
      if (entry.isSettled) continue;
      if (entry.offset > at) settled.push({ from: at, to: entry.offset });
      at = entry.offset + 1;
      // An entry that is being handled counts only if it is given back.
      if (entry.isWaiting && entry.attempts > 0) attempts.set(entry.offset, entry.attempts);
    }
    if (this.#handedEnd > at) settled.push({ from: at, to: (at = this.#handedEnd) });
    for (const { from, to } of this.#settledAhead)
      if (to > at) settled.push({ from: Math.max(at, from), to });
    for (const [of, count] of this.#attemptsAhead) {
      if (of >= at) attempts.set(of, count);
      // Compaction has removed the record.
      else this.#attemptsAhead.delete(of);
    }
    const state = { partitionsBefore: this.#partitionsBefore, settled, attempts };
    return { topic, partition, offset, metadata: encodeMetadata(offset, state, maxLength) };
  }

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
    else this.#reset();
  }

  /** The topic was deleted and created again: offsets of the old log mean nothing in the new one. */
  #reset(): void {
    [this.#handed, this.#back, this.#read] = [[], [], new Unread()];
    this.#handedFrom = this.#handedEnd = this.#settledBehind = 0;
    this.#next = undefined;
    this.#settledAhead = [];
    this.#attemptsAhead.clear();
  }
}
