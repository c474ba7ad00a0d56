import type { ShardInfo } from '../client/shard.ts';
import { messageOf } from '../errors.ts';
import type { EndOfShard, Position } from './position.ts';
import { type ShardRecord, compareSequence } from './record.ts';

/** The subscription or lease that reads a shard through a cursor. */
export interface CursorOwner {
  /** The owner takes records now. */
  readonly hasRoom: boolean;
  /** @returns false if there is no room after all; the cursor offers the record again. */
  take(record: ShardRecord): boolean;
  /** Called after `take` has taken all records that there were, or that there was room for: the time to handle them. */
  flush(): void;
  /** The shard is closed, and its last record was taken. */
  shardEnded(children: readonly ShardInfo[]): void;
  /** The shard is gone: its records are too old. */
  shardGone(): Promise<void>;
}

/** The position of one owner in one shard, and the records that were read for it and that it has not taken. */
export class Cursor {
  readonly owner: CursorOwner;
  readonly #notBefore: number;
  /** The last record that was read; undefined until there is one. */
  sequenceNumber: string | undefined;
  /** For the next read; undefined if it must be requested first. */
  iterator: string | undefined;
  /** By the server's clock: the owner needs no record that arrived earlier and is unread. */
  since: number | undefined;
  #sinceAt: number | undefined;
  /** When the position, which has no record yet, was the end of the shard: within this time, by `performance.now()`. */
  endOfShard: { readonly from: number; readonly until: number } | undefined;
  /** When the position was last confirmed, by `performance.now()`. */
  positionedAt: number = performance.now();
  /** When to read next, by `performance.now()`. */
  dueAt = 0;
  failures = 0;
  /** The server no longer knows the last record. Reading continues from its time of arrival or, if that is unknown, from the beginning. */
  isLastUnknown = false;
  /** When the last record arrived, by the server's clock; undefined if another process read it. */
  lastArrivedAt: number | undefined;
  /** Why the last read failed; undefined if it did not fail. */
  lastError: unknown;
  /** A read from this cursor's position is in progress. */
  isReading = false;
  /** Number of reads that came nearer to the end of the shard, or reached it. */
  moves = 0;
  /** Milliseconds from the last record that was read to the end of the shard. */
  lagMs: number | undefined;
  #batch: readonly ShardRecord[] = [];
  #next = 0;
  #children: readonly ShardInfo[] | undefined;
  #isOver = false;
  #isReportingGone = false;

  /** @param notBefore - The cursor skips records that arrived earlier. Milliseconds by the server's clock. */
  constructor(owner: CursorOwner, position: Position, notBefore = 0) {
    this.owner = owner;
    this.sequenceNumber = position.sequenceNumber;
    this.iterator = position.iterator;
    this.since = position.since;
    this.#notBefore = notBefore;
  }

  /** Moves to the end of the shard. */
  startAtEnd({ iterator, serverTime, requestedAt }: EndOfShard): void {
    this.iterator = iterator;
    this.positionedAt = performance.now();
    this.setSince(serverTime, this.positionedAt);
    this.endOfShard = { from: requestedAt, until: this.positionedAt };
  }

  /** @param at - The same moment, or a later one, by `performance.now()`. */
  setSince(serverTime: number, at: number): void {
    this.since = serverTime;
    this.#sinceAt = at;
  }

  /** The server's time at a moment of `performance.now()`, or a slightly earlier time; undefined if it is unknown. */
  serverTimeAt(at: number): number | undefined {
    return this.since === undefined || this.#sinceAt === undefined
      ? undefined
      : this.since + (at - this.#sinceAt);
  }

  /** Where another process continues, to read everything that this cursor has not read. */
  get position(): Position {
    if (this.sequenceNumber !== undefined) return { sequenceNumber: this.sequenceNumber };
    return { iterator: this.iterator, since: this.since };
  }

  /** No record waits to be taken, the shard is not at its end, and the owner has room. */
  get wantsMore(): boolean {
    return !this.#isOver && this.#next >= this.#batch.length && !this.isAtEnd && this.owner.hasRoom;
  }

  /** Why there is more to read, or may be; undefined if there is nothing to read, or the owner has no room. */
  get behind(): string | undefined {
    if (this.#isOver && this.isAtEnd) return 'it is at its end, and its child shards are not known yet';
    if (!this.wantsMore) return undefined;
    if (this.lastError !== undefined) return `reads fail (${messageOf(this.lastError)})`;
    if (this.isReading) return 'a read has no answer';
    if ((this.lagMs ?? 0) > 0) return `there are records to read (${this.lagMs} ms behind)`;
    return this.dueAt <= performance.now() ? 'a read is due and has not begun' : undefined;
  }

  /** The last read reached the end of a closed shard. */
  get isAtEnd(): boolean {
    return this.#children !== undefined;
  }

  /** The owner gets no more records. */
  close(): void {
    this.#isOver = true;
    this.#batch = [];
  }

  /** Reports to the owner that the shard is gone. Does nothing while the owner still handles the last report. */
  reportGone(): void {
    if (this.#isReportingGone) return;
    this.#isReportingGone = true;
    void this.owner.shardGone().finally(() => (this.#isReportingGone = false));
  }

  /** True if a read from `leader` up to the record `last` contains every record that this cursor needs. */
  isWithin(leader: Cursor, last: string): boolean {
    const position = this.sequenceNumber;
    if (position === undefined) return leader.sequenceNumber === undefined && this.hasSamePosition(leader);
    const start = leader.sequenceNumber;
    if (start === undefined && !leader.isAtBeginning) return false;
    return (
      (start === undefined || compareSequence(start, position) <= 0) && compareSequence(position, last) <= 0
    );
  }

  get isAtBeginning(): boolean {
    return this.sequenceNumber === undefined && this.iterator === undefined && this.since === undefined;
  }

  hasSamePosition(other: Cursor): boolean {
    if (this.sequenceNumber !== undefined || other.sequenceNumber !== undefined) {
      return this.sequenceNumber === other.sequenceNumber;
    }
    if (this.iterator !== undefined || other.iterator !== undefined) return this.iterator === other.iterator;
    return this.since === other.since;
  }

  /** True if `leader`, which found nothing in a read to the end of the shard that began at `startedAt`, has the position of this cursor. */
  isCaughtUpWith(leader: Cursor, startedAt: number): boolean {
    if (this.hasSamePosition(leader)) return true;
    if (this.endOfShard === undefined || this.sequenceNumber !== undefined) return false;
    return leader.positionedAt <= this.endOfShard.from && this.endOfShard.until <= startedAt;
  }

  /** Moves forward, and never back: a shared read may have begun before this cursor's position. */
  moveTo(last: ShardRecord): void {
    const position = this.sequenceNumber;
    if (position !== undefined && compareSequence(last.sequenceNumber, position) <= 0) return;
    this.sequenceNumber = last.sequenceNumber;
    this.lastArrivedAt = last.arrivedAt;
    this.isLastUnknown = false;
  }

  /** Keeps the records of a read for the owner. `children` is given by the last read of a closed shard. */
  give(records: readonly ShardRecord[], children: readonly ShardInfo[] | undefined): void {
    const position = this.sequenceNumber;
    this.#batch =
      position === undefined
        ? records
        : records.filter(({ sequenceNumber }) => compareSequence(sequenceNumber, position) > 0);
    this.#next = 0;
    if (children !== undefined) this.#children = children;
  }

  /** Passes records on to the owner as far as it has room. */
  deliver(): void {
    const { owner } = this;
    const first = this.#next;
    while (this.#next < this.#batch.length && owner.hasRoom) {
      const record = this.#batch[this.#next]!;
      if (record.arrivedAt >= this.#notBefore && !owner.take(record)) break;
      this.#next++;
    }
    if (this.#isOver) return;
    const isDone = this.#next >= this.#batch.length;
    if (isDone) this.#batch = [];
    if (isDone && this.#children !== undefined) {
      const children = this.#children;
      this.#isOver = true;
      if (first < this.#next) owner.flush();
      owner.shardEnded(children);
    } else if (first < this.#next) owner.flush();
    if (isDone) this.#next = 0;
  }
}
