import type { ChildShard, GetRecordsCommandOutput } from '@aws-sdk/client-kinesis';
import type { Cursor } from './cursor.ts';
import { isThrottle, messageOf, nameOf } from '../errors.ts';
import type { IteratorStart, KinesisApi } from '../client/kinesis-api.ts';
import type { KinesisOptions } from '../options/options.ts';
import { Pause, backoffMs } from '../pause.ts';
import { ShardRecord } from './record.ts';
import type { ShardLimits } from '../client/shard-limits.ts';
import type { ShardReaders } from './shard-readers.ts';
import type { ShardInfo } from '../client/stream.ts';

const initialBackoffMs = 100;
const maxBackoffMs = 5000;
/** An iterator that the server does not know; local servers answer without a name. */
const badIterator = new Set([
  'ExpiredIteratorException',
  'InvalidArgumentException',
  'Unknown',
  'UnknownError',
  'CutAnswer',
]);
/** The `Date` of an answer is in whole seconds. */
const clockGrainMs = 1000;

/**
 * The one loop of this process that reads a shard, for all cursors on it. Cursors at the same place share a read. Two reads are never
 * closer together than AWS allows; one that found nothing is followed by `pollInterval`.
 */
export class ShardReader {
  readonly shardId: string;
  readonly #api: KinesisApi;
  readonly #options: KinesisOptions;
  readonly #readers: ShardReaders;
  readonly #limits: ShardLimits;
  readonly #cursors = new Set<Cursor>();
  readonly #pause = new Pause();
  readonly #onIdle: () => void;
  /** How often we were told of new records. */
  #news = 0;
  #isStopped = false;
  #running: Promise<void> | undefined;

  /** @param onIdle - Told when the last cursor is gone. */
  constructor(shardId: string, readers: ShardReaders, limits: ShardLimits, onIdle: () => void) {
    this.shardId = shardId;
    this.#api = readers.api;
    this.#options = readers.options;
    this.#readers = readers;
    this.#limits = limits;
    this.#onIdle = onIdle;
  }

  get cursors(): Iterable<Cursor> {
    return this.#cursors;
  }

  add(cursor: Cursor): void {
    this.#cursors.add(cursor);
    this.#running ??= this.#run();
    this.#pause.wake();
  }

  remove(cursor: Cursor): void {
    cursor.close();
    if (this.#cursors.delete(cursor) && this.#cursors.size === 0) this.#onIdle();
  }

  /** Somebody may have room. */
  wake(): void {
    this.#pause.wake();
  }

  /** There are new records: no need to wait for the next poll. */
  hurry(): void {
    this.#news++;
    for (const cursor of this.#cursors) if (cursor.failures === 0) cursor.dueAt = 0;
    this.#pause.wake();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const cursor of this.#cursors) cursor.close();
    this.#pause.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    // Not in the turn of who added the first cursor.
    await Promise.resolve();
    while (!this.#isStopped && this.#cursors.size > 0) {
      for (const cursor of this.#cursors) cursor.hand();
      const cursor = this.#nextDue();
      const dueAt =
        cursor === undefined ? Number.POSITIVE_INFINITY : Math.max(cursor.dueAt, this.#limits.openAt);
      const wait = dueAt - performance.now();
      if (cursor === undefined || wait > 0) await this.#pause.wait(wait);
      else await this.#read(cursor);
    }
    this.#running = undefined;
    // One that was added while this loop ended.
    if (!this.#isStopped && this.#cursors.size > 0) this.#running = this.#run();
  }

  #nextDue(): Cursor | undefined {
    let next: Cursor | undefined;
    for (const cursor of this.#cursors) {
      if (cursor.wantsMore && (next === undefined || cursor.dueAt < next.dueAt)) next = cursor;
    }
    return next;
  }

  async #read(leader: Cursor): Promise<void> {
    const news = this.#news;
    const others = [...this.#cursors].filter((cursor) => cursor !== leader && cursor.wantsMore);
    leader.isReading = true;
    try {
      leader.iterator ??= await this.#iteratorFor(leader);
      const startedAt = performance.now();
      this.#limits.openAt = startedAt + 1000 / this.#options.readsPerSecond;
      const answer = await this.#api.getRecords(leader.iterator, this.#options.maxRecordsPerRead);
      const children = await this.#childrenIn(answer);
      if (this.#isStopped) return;
      this.#give([answer, children], leader, others, [startedAt, news !== this.#news]);
    } catch (error) {
      if (!this.#isStopped) this.#failed(leader, error);
    } finally {
      leader.isReading = false;
    }
  }

  /**
   * What comes after the shard, where this was its last read.
   *
   * @throws Error where the answer gives no place to go on from, and yet the shard is not known to be closed.
   */
  async #childrenIn(answer: GetRecordsCommandOutput): Promise<readonly ShardInfo[] | undefined> {
    const { NextShardIterator: next, ChildShards: told = [] } = answer;
    if (next !== undefined && next !== null) return undefined;
    if (told.length > 0) return told.map(infoOf);
    // Not every server tells the children, and an answer may be cut: nothing ends on the word of one that is empty.
    const shards = await this.#readers.shards();
    const children = shards.filter(({ parents }) => parents.includes(this.shardId));
    const isClosed = shards.find(({ id }) => id === this.shardId)?.isClosed;
    if (isClosed === true && children.length > 0) return children;
    throw Object.assign(new Error('a read of an open shard gave no next iterator'), { name: 'CutAnswer' });
  }

  #give(
    [answer, children]: readonly [GetRecordsCommandOutput, readonly ShardInfo[] | undefined],
    leader: Cursor,
    others: readonly Cursor[],
    [startedAt, isNews]: readonly [startedAt: number, isNews: boolean],
  ): void {
    const { foreignTopic, pollIntervalMs } = this.#options;
    const records = (answer.Records ?? []).map((record) => new ShardRecord(record, foreignTopic));
    const last = records.at(-1);
    const lagMs = answer.MillisBehindLatest ?? 0;
    const isAtTip = last === undefined && lagMs === 0;
    // Chosen before any of them moves: they are compared with the place where the read began.
    const readers = others.filter((cursor) =>
      last !== undefined
        ? cursor.isWithin(leader, last.sequenceNumber)
        : cursor.samePlace(leader) || (isAtTip && cursor.isMetBy(leader, startedAt)),
    );
    const since = isAtTip ? leader.serverTimeAt(startedAt) : undefined;
    const now = performance.now();
    for (const cursor of [leader, ...readers]) {
      cursor.give(records, children);
      if (last !== undefined) cursor.reached(last);
      else if (isAtTip) cursor.sequenceNumber = leader.sequenceNumber;
      cursor.iterator = answer.NextShardIterator;
      if (since !== undefined) cursor.setSince(since, startedAt);
      cursor.pin =
        isAtTip && cursor.sequenceNumber === undefined ? { from: startedAt, until: now } : undefined;
      cursor.placedAt = now;
      cursor.failures = 0;
      cursor.lastError = undefined;
      if (last !== undefined || isAtTip || lagMs < (cursor.lagMs ?? Number.POSITIVE_INFINITY)) cursor.moves++;
      cursor.lagMs = lagMs;
      cursor.dueAt = isAtTip && !isNews ? startedAt + pollIntervalMs : 0;
    }
  }

  async #iteratorFor(cursor: Cursor): Promise<string> {
    return (await this.#api.iterator(this.shardId, startOf(cursor))).iterator;
  }

  #failed(cursor: Cursor, error: unknown): void {
    cursor.lastError = error;
    const name = nameOf(error);
    const about = { shard: this.shardId, error: messageOf(error) };
    if (name === 'ResourceNotFoundException') {
      // Either the shard is gone, or the server has lost the record that we go by.
      cursor.iterator = undefined;
      cursor.isLastUnknown = true;
      if (cursor.failures + 1 === lostAfter) this.#readers.logger.warn('a shard is gone', about);
      if (cursor.failures + 1 >= lostAfter) cursor.lose();
    }
    // It is asked for again, after the last record that was read.
    if (badIterator.has(name)) cursor.iterator = undefined;
    const delay = backoffMs(++cursor.failures, initialBackoffMs, maxBackoffMs);
    const now = performance.now();
    // The limit is the shard's: nobody reads it meanwhile.
    if (isThrottle(error)) this.#limits.openAt = now + delay + 1000 / this.#options.readsPerSecond;
    // An iterator that expired is no fault of the server's.
    cursor.dueAt = name === 'ExpiredIteratorException' && cursor.failures === 1 ? now : now + delay;
    this.#readers.logger.debug?.('a read failed and is tried again', about);
  }
}

/** A shard that is not found so often is gone. */
const lostAfter = 3;

function startOf({ sequenceNumber, isLastUnknown, lastArrivedAt, since }: Cursor): IteratorStart {
  if (sequenceNumber !== undefined && isLastUnknown) {
    if (lastArrivedAt === undefined) return { ShardIteratorType: 'TRIM_HORIZON' };
    return { ShardIteratorType: 'AT_TIMESTAMP', Timestamp: new Date(lastArrivedAt) };
  }
  if (sequenceNumber !== undefined) {
    return { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: sequenceNumber };
  }
  // No record is older than the epoch, and before the first date that there is is none to ask for.
  if (since === undefined || since <= clockGrainMs) return { ShardIteratorType: 'TRIM_HORIZON' };
  return { ShardIteratorType: 'AT_TIMESTAMP', Timestamp: new Date(since - clockGrainMs) };
}

function infoOf({ ShardId, ParentShards }: ChildShard): ShardInfo {
  return { id: ShardId ?? '', parents: ParentShards ?? [], isClosed: false };
}
