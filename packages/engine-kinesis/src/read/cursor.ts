import { messageOf } from '../errors.ts';
import { type ShardRecord, compareSequence } from './record.ts';
import type { Pin } from './shard-readers.ts';
import type { ShardInfo } from '../client/stream.ts';

/** Who reads a shard through a cursor. */
export interface CursorOwner {
  /** Takes records now. */
  readonly hasRoom: boolean;
  /** @returns false where there is no room after all: it is offered again. */
  take(record: ShardRecord): boolean;
  /** All records that there were to take at once are taken: time to handle them. */
  flush(): void;
  /** The shard is closed, and its last record was taken. */
  ended(children: readonly ShardInfo[]): void;
  /** The shard is not there any more: its records are too old. */
  lost(): Promise<void>;
}

/** Where to begin, or to go on. One of these: after a record, at an iterator, at a time, or (none) at the first record. */
export interface Position {
  readonly sequenceNumber?: string | undefined;
  /** An unread iterator, and the time it stands for once it has expired. */
  readonly iterator?: string | undefined;
  /** Milliseconds by the server's clock. */
  readonly since?: number | undefined;
}

/** One reader's place in one shard, and what was read for it and not taken yet. */
export class Cursor {
  readonly owner: CursorOwner;
  readonly #notBefore: number;
  /** The last record that was read; undefined while there was none. */
  sequenceNumber: string | undefined;
  /** For the next read; undefined where it has to be asked for. */
  iterator: string | undefined;
  /** By the server's clock: all that came before this is read, or is not wanted. */
  since: number | undefined;
  #sinceAt: number | undefined;
  /** When its place, while it has no record to go by, was at the end of the shard: from and until, on our clock. */
  pin: { readonly from: number; readonly until: number } | undefined;
  /** When it was known to be at its place, on our clock. */
  placedAt: number = performance.now();
  /** When to read next, on our clock. */
  dueAt = 0;
  failures = 0;
  /** The server does not know the last record any more. Later ones are found from when it arrived, or from the beginning. */
  isLastUnknown = false;
  /** When the last record arrived, by the server's clock; undefined where that was not seen here. */
  lastArrivedAt: number | undefined;
  /** Why the last read failed; undefined where it did not. */
  lastError: unknown;
  /** A read is under way that it leads. */
  isReading = false;
  /** Reads that brought it nearer to the end of the shard, or found it there. */
  moves = 0;
  /** Milliseconds between the last record of the shard and the last that was read. */
  lagMs: number | undefined;
  #batch: readonly ShardRecord[] = [];
  #next = 0;
  #children: readonly ShardInfo[] | undefined;
  #isOver = false;
  #isLosing = false;

  /** @param notBefore - Records that arrived earlier are passed over. Milliseconds by the server's clock. */
  constructor(owner: CursorOwner, position: Position, notBefore = 0) {
    this.owner = owner;
    this.sequenceNumber = position.sequenceNumber;
    this.iterator = position.iterator;
    this.since = position.since;
    this.#notBefore = notBefore;
  }

  /** Pins the place at the end of the shard. */
  pinned({ iterator, serverTime, from }: Pin): void {
    this.iterator = iterator;
    this.placedAt = performance.now();
    this.setSince(serverTime, this.placedAt);
    this.pin = { from, until: this.placedAt };
  }

  /** @param at - What the time is on our clock, or later. */
  setSince(serverTime: number, at: number): void {
    this.since = serverTime;
    this.#sinceAt = at;
  }

  /** The server's time at a moment of our clock, or a little before; undefined where it is not known. */
  serverTimeAt(at: number): number | undefined {
    return this.since === undefined || this.#sinceAt === undefined
      ? undefined
      : this.since + (at - this.#sinceAt);
  }

  /** The place from which everything is still to be read, for somebody who goes on from there. */
  get position(): Position {
    if (this.sequenceNumber !== undefined) return { sequenceNumber: this.sequenceNumber };
    return { iterator: this.iterator, since: this.since };
  }

  /** Nothing waits to be taken, the shard goes on, and there is room. */
  get wantsMore(): boolean {
    return !this.#isOver && this.#next >= this.#batch.length && !this.isAtEnd && this.owner.hasRoom;
  }

  /** Why there is more to read, as far as is known; undefined where there is not, or where nobody has room for it. */
  get behind(): string | undefined {
    if (this.#isOver && this.isAtEnd)
      return 'it is at its end, and the shards that come after it are not known yet';
    if (!this.wantsMore) return undefined;
    if (this.lastError !== undefined) return `reads fail (${messageOf(this.lastError)})`;
    if (this.isReading) return 'a read is not answered';
    if ((this.lagMs ?? 0) > 0) return `there are records to read (${this.lagMs} ms behind)`;
    return this.dueAt <= performance.now() ? 'it is time to read, and nobody does' : undefined;
  }

  /** The last read reached the end of a closed shard. */
  get isAtEnd(): boolean {
    return this.#children !== undefined;
  }

  /** Gives up: nothing more is handed over. */
  close(): void {
    this.#isOver = true;
    this.#batch = [];
  }

  /** Tells its owner that the shard is gone: not again while the owner still asks what there is in its place, for as long as there is no answer. */
  lose(): void {
    if (this.#isLosing) return;
    this.#isLosing = true;
    void this.owner.lost().finally(() => (this.#isLosing = false));
  }

  /** True where a read that began at `leader` and went to `last` holds all that this one needs. */
  isWithin(leader: Cursor, last: string): boolean {
    const own = this.sequenceNumber;
    if (own === undefined) return leader.sequenceNumber === undefined && this.samePlace(leader);
    const start = leader.sequenceNumber;
    if (start === undefined && !leader.isAtBeginning) return false;
    return (start === undefined || compareSequence(start, own) <= 0) && compareSequence(own, last) <= 0;
  }

  get isAtBeginning(): boolean {
    return this.sequenceNumber === undefined && this.iterator === undefined && this.since === undefined;
  }

  samePlace(other: Cursor): boolean {
    if (this.sequenceNumber !== undefined || other.sequenceNumber !== undefined) {
      return this.sequenceNumber === other.sequenceNumber;
    }
    if (this.iterator !== undefined || other.iterator !== undefined) return this.iterator === other.iterator;
    return this.since === other.since;
  }

  /** True where the leader, that has read to the end of the shard since `startedAt` and found nothing, stands where this one does. */
  isMetBy(leader: Cursor, startedAt: number): boolean {
    if (this.samePlace(leader)) return true;
    if (this.pin === undefined || this.sequenceNumber !== undefined) return false;
    return leader.placedAt <= this.pin.from && this.pin.until <= startedAt;
  }

  /** Moves on, and never back: a read may have begun before its place. */
  reached(last: ShardRecord): void {
    const own = this.sequenceNumber;
    if (own !== undefined && compareSequence(last.sequenceNumber, own) <= 0) return;
    this.sequenceNumber = last.sequenceNumber;
    this.lastArrivedAt = last.arrivedAt;
    this.isLastUnknown = false;
  }

  give(records: readonly ShardRecord[], children: readonly ShardInfo[] | undefined): void {
    const own = this.sequenceNumber;
    this.#batch =
      own === undefined
        ? records
        : records.filter(({ sequenceNumber }) => compareSequence(sequenceNumber, own) > 0);
    this.#next = 0;
    if (children !== undefined) this.#children = children;
  }

  /** Hands over what was read, as far as there is room. */
  hand(): void {
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
      owner.ended(children);
    } else if (first < this.#next) owner.flush();
    if (isDone) this.#next = 0;
  }
}
