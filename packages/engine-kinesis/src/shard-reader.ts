import type { GetRecordsCommandOutput } from '@aws-sdk/client-kinesis';
import type { Logger } from '@polybus/core';
import type { Cursor } from './cursor.ts';
import { isThrottle, messageOf, nameOf } from './errors.ts';
import type { IteratorStart, KinesisApi } from './kinesis-api.ts';
import type { KinesisOptions } from './options.ts';
import { Pause, backoffMs } from './pause.ts';
import { ShardRecord } from './record.ts';

const initialBackoffMs = 100;
const maxBackoffMs = 5000;
/** An iterator that the server does not know; local servers answer without a name. */
const badIterator = new Set([
  'ExpiredIteratorException',
  'InvalidArgumentException',
  'Unknown',
  'UnknownError',
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
  readonly #logger: Logger;
  readonly #cursors = new Set<Cursor>();
  readonly #pause = new Pause();
  readonly #onIdle: () => void;
  /** When the next read may begin, on our clock. */
  #openAt = 0;
  /** How often we were told of new records. */
  #news = 0;
  #isStopped = false;
  #running: Promise<void> | undefined;

  /** @param onIdle - Told when the last cursor is gone. */
  constructor(shardId: string, api: KinesisApi, options: KinesisOptions, logger: Logger, onIdle: () => void) {
    this.shardId = shardId;
    this.#api = api;
    this.#options = options;
    this.#logger = logger;
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
      const dueAt = cursor === undefined ? Number.POSITIVE_INFINITY : Math.max(cursor.dueAt, this.#openAt);
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
    try {
      leader.iterator ??= await this.#iteratorFor(leader);
      const startedAt = performance.now();
      this.#openAt = startedAt + 1000 / this.#options.readsPerSecond;
      const answer = await this.#api.getRecords(leader.iterator, this.#options.maxRecordsPerRead);
      if (this.#isStopped) return;
      this.#give(answer, leader, others, startedAt, news !== this.#news);
    } catch (error) {
      if (!this.#isStopped) this.#failed(leader, error);
    }
  }

  #give(
    answer: GetRecordsCommandOutput,
    leader: Cursor,
    others: readonly Cursor[],
    startedAt: number,
    isNews: boolean,
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
    const isEnd = answer.NextShardIterator === undefined || answer.NextShardIterator === null;
    for (const cursor of [leader, ...readers]) {
      cursor.give(records, isEnd ? (answer.ChildShards ?? []) : undefined);
      if (last !== undefined) cursor.reached(last);
      else if (isAtTip) cursor.sequenceNumber = leader.sequenceNumber;
      cursor.iterator = answer.NextShardIterator;
      if (since !== undefined) cursor.setSince(since, startedAt);
      cursor.pin =
        isAtTip && cursor.sequenceNumber === undefined ? { from: startedAt, until: now } : undefined;
      cursor.placedAt = now;
      cursor.failures = 0;
      cursor.lagMs = lagMs;
      cursor.dueAt = isAtTip && !isNews ? startedAt + pollIntervalMs : 0;
    }
  }

  async #iteratorFor(cursor: Cursor): Promise<string> {
    return (await this.#api.iterator(this.shardId, startOf(cursor))).iterator;
  }

  #failed(cursor: Cursor, error: unknown): void {
    const name = nameOf(error);
    const about = { shard: this.shardId, error: messageOf(error) };
    if (name === 'ResourceNotFoundException') {
      // Either the shard is gone, or the server has lost the record that we go by.
      cursor.iterator = undefined;
      cursor.isLastUnknown = true;
      if (cursor.failures + 1 === lostAfter) this.#logger.warn('a shard is gone', about);
      if (cursor.failures + 1 >= lostAfter) cursor.owner.lost();
    }
    // It is asked for again, after the last record that was read.
    if (badIterator.has(name)) cursor.iterator = undefined;
    const delay = backoffMs(++cursor.failures, initialBackoffMs, maxBackoffMs);
    const now = performance.now();
    // The limit is the shard's: nobody reads it meanwhile.
    if (isThrottle(error)) this.#openAt = now + delay + 1000 / this.#options.readsPerSecond;
    // An iterator that expired is no fault of the server's.
    cursor.dueAt = name === 'ExpiredIteratorException' && cursor.failures === 1 ? now : now + delay;
    this.#logger.debug?.('a read failed and is tried again', about);
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
  if (since === undefined) return { ShardIteratorType: 'TRIM_HORIZON' };
  // A time that is still to come is not taken. What comes until then is passed over.
  if (since - clockGrainMs > Date.now()) return { ShardIteratorType: 'LATEST' };
  return { ShardIteratorType: 'AT_TIMESTAMP', Timestamp: new Date(since - clockGrainMs) };
}
