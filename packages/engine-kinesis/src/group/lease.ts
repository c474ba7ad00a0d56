import { matchesTopic } from '@polybus/core/engine';
import type { Decoded } from '@polybus/core/engine-kit';
import type { ShardInfo } from '../client/shard.ts';
import { Cursor, type CursorOwner } from '../read/cursor.ts';
import type { Position } from '../read/position.ts';
import type { ShardRecord } from '../read/record.ts';
import type { GroupDispatcher } from './dispatcher.ts';
import {
  type LeaseEntry,
  type LeaseTable,
  type LeasesByShard,
  type Successors,
  patternsSplitOff,
} from './lease-table.ts';
import type { EventLease, PatternQueue } from './pattern-queue.ts';
import { type OpenRecord, SettledPrefix, doneIn, sequenceNumberIn } from './settled-prefix.ts';

/** The functions of a group that its leases call. */
export interface LeaseListener {
  /** The leases are valid. */
  readonly mayRead: boolean;
  /** The table can be written: the lease is drained, or its shard is finished. */
  changed(): void;
  /** The shard is closed, and its last record was taken. */
  shardEnded(lease: Lease, children: readonly ShardInfo[]): void;
  /** The records of the shard have expired. */
  shardGone(lease: Lease): Promise<void>;
}

/** A lease that this process holds. It reads one shard for one pattern of a group. */
export class Lease implements CursorOwner, EventLease {
  readonly pattern: string;
  readonly shardId: string;
  readonly token: number;
  readonly queue: PatternQueue;
  readonly cursor: Cursor;
  unsettled = 0;
  /** The shards that come after this one, once its end is reached. */
  successors: Successors | undefined;
  /** When the lease began to wait for its handlers in order to be given away, by `performance.now()`. */
  drainingSince: number | undefined;
  /** The leases of the pattern when the table was last read or written. */
  siblings: Readonly<LeasesByShard> | undefined;
  /** The reader found no room since this was last set to false. */
  isBlocked = false;
  readonly #dispatcher: GroupDispatcher;
  readonly #listener: LeaseListener;
  readonly #prefix = new SettledPrefix();
  readonly #entry: LeaseEntry;
  /** Notes about records that were settled under an earlier owner, by sequence number. */
  readonly #ahead: Map<string, string>;
  /** The last record that was taken; undefined if there was none. */
  #taken: string | undefined;
  /** Narrower patterns, whose events do not belong to this lease. */
  #narrower: readonly string[] = [];
  #isLost = false;
  /** Until then, the lease is not given away although it is requested, because a handler hangs. By `performance.now()`. */
  #keptUntil = 0;

  constructor(
    [pattern, shardId]: readonly [string, string],
    entry: LeaseEntry,
    dispatcher: GroupDispatcher,
    listener: LeaseListener,
  ) {
    this.pattern = pattern;
    this.shardId = shardId;
    this.token = entry.token;
    this.queue = dispatcher.queueOf(pattern);
    this.#entry = entry;
    this.#dispatcher = dispatcher;
    this.#listener = listener;
    this.#ahead = new Map(entry.ahead?.map((note) => [sequenceNumberIn(note), note]));
    this.#taken = entry.checkpoint.sequenceNumber;
    this.cursor = new Cursor(this, entry.checkpoint, entry.notBefore);
  }

  /** Another process holds the lease, or this process has given it up. */
  get isLost(): boolean {
    return this.#isLost;
  }

  get isPaused(): boolean {
    return this.#isLost || this.drainingSince !== undefined;
  }

  /** The lease is to be given away, and no member has events of it any more. */
  get isDrained(): boolean {
    return this.drainingSince !== undefined && this.unsettled === 0;
  }

  /** The shard is closed, and all of its events are settled. */
  get isFinished(): boolean {
    return this.successors !== undefined && this.#prefix.isEmpty;
  }

  /** Why there is more to read; undefined if there is not. */
  get behind(): string | undefined {
    return this.successors === undefined ? this.cursor.behind : undefined;
  }

  /** The end of the contiguous settled prefix, from which another process would continue. */
  get #checkpoint(): Position {
    const { sequenceNumber } = this.#prefix;
    if (sequenceNumber !== undefined) return { sequenceNumber };
    const isUnread = this.#taken === undefined && this.cursor.sequenceNumber === undefined;
    // Before the first record, the newest iterator is the position.
    return isUnread ? this.cursor.position : this.#entry.checkpoint;
  }

  /** Writes the checkpoint into the lease's entry. */
  write(entry: LeaseEntry, maxAhead: number): void {
    entry.checkpoint = this.#checkpoint;
    const ahead = fitting([...this.#ahead.values(), ...this.#prefix.ahead], maxAhead);
    if (ahead.length > 0) entry.ahead = ahead;
    else delete entry.ahead;
  }

  /** The entry for a table that has lost it; the checkpoint is still to be written. */
  restored(owner: string): LeaseEntry {
    const { requestedBy: _, ...kept } = this.#entry;
    return { ...kept, owner, token: this.token };
  }

  /** Updates the state of the other leases from the table. */
  update(table: LeaseTable): void {
    this.siblings = table.leases[this.pattern];
    this.#narrower = patternsSplitOff(table, this.pattern, this.shardId);
  }

  get hasRoom(): boolean {
    const hasRoom =
      !this.isPaused && this.#listener.mayRead && this.queue.hasRoom && this.#dispatcher.hasMembers;
    if (!hasRoom) this.isBlocked = true;
    return hasRoom;
  }

  take(record: ShardRecord): boolean {
    const { sequenceNumber } = record;
    this.#taken = sequenceNumber;
    // The note goes from the list of the earlier owner into our prefix, which lists it again if the record is ahead of our checkpoint too.
    const note = this.#ahead.get(sequenceNumber);
    if (note !== undefined) this.#ahead.delete(sequenceNumber);
    const contents = note === sequenceNumber ? [] : record.contents;
    const done = contents.length > 1 ? doneIn(note, contents.length) : undefined;
    const mine: number[] = [];
    contents.forEach((content, index) => {
      if (done?.[index] !== 1 && this.#isMine(content)) mine.push(index);
    });
    const isWanted = note !== undefined || mine.length > 0;
    const open = this.#prefix.begin(sequenceNumber, mine.length, isWanted, done);
    for (const index of mine) this.#dispatcher.offer(contents[index]!, this, open, index);
    return true;
  }

  #isMine({ event, raw }: Decoded): boolean {
    const topic = event?.topic ?? raw?.topic ?? '';
    return (
      matchesTopic(this.pattern, topic) && !this.#narrower.some((pattern) => matchesTopic(pattern, topic))
    );
  }

  flush(): void {
    this.#dispatcher.run();
  }

  settled(record: OpenRecord, index: number): void {
    this.#prefix.settled(record, index);
    if (this.isFinished) this.#listener.changed();
  }

  returned(): void {
    this.unsettled--;
    if (this.isDrained) this.#listener.changed();
  }

  shardEnded(children: readonly ShardInfo[]): void {
    this.#listener.shardEnded(this, children);
  }

  shardGone(): Promise<void> {
    return this.#listener.shardGone(this);
  }

  /** Delivers no more events, so that the lease can be released when members have settled their events. */
  drain(): void {
    if (this.drainingSince !== undefined) return;
    this.drainingSince = performance.now();
    this.#dispatcher.withdraw(this);
  }

  /** Stops draining: a handler hangs, and would keep every process from handling the other events of the shard. */
  keep(forMs: number): void {
    this.drainingSince = undefined;
    this.#keptUntil = performance.now() + forMs;
  }

  /** The lease is not given away now, although it is requested. */
  get isKept(): boolean {
    return performance.now() < this.#keptUntil;
  }

  /** Ends the lease in this process: from here on, none of its events is delivered, and no checkpoint is written. */
  lose(): void {
    this.#isLost = true;
    this.queue.remove(this);
    this.#dispatcher.withdraw(this);
  }
}

/** The size of one whole record's note in the document, in bytes. */
const noteBytes = 60;

/** As many notes as fit into the size of so many whole records. */
function fitting(notes: readonly string[], maxAhead: number): string[] {
  let room = maxAhead;
  return notes.filter(({ length }) => (room -= Math.ceil((length + 3) / noteBytes)) >= 0);
}
