import type { GetRecordsCommandOutput } from '@aws-sdk/client-kinesis';
import type { Logger } from '@polybus/core';
import { backoffMs } from '@polybus/core/engine-kit';
import type { Cursor } from './cursor.ts';
import { isThrottle, messageOf, nameOf } from '../errors.ts';
import type { IteratorStart, KinesisApi } from '../client/kinesis-api.ts';
import type { KinesisOptions } from '../options/config.ts';
import { InterruptibleSleep } from '../client/interruptible-sleep.ts';
import { ShardRecord } from './record.ts';
import type { ShardLimits } from '../client/shard-limits.ts';
import { type ShardInfo, childShardInfo } from '../client/shard.ts';

const initialBackoffMs = 100;
const maxBackoffMs = 5000;
/** The errors for an iterator that the server does not know; local servers answer without a name. */
const unknownIterator = new Set([
  'ExpiredIteratorException',
  'InvalidArgumentException',
  'Unknown',
  'UnknownError',
  'CutAnswer',
]);
/** After a read without an answer in time, the next read requests a fraction of the records. */
const timeoutShrink = 4;
/** The `Date` of an answer is in whole seconds. */
const clockGrainMs = 1000;

/** The dependencies of a reader, in addition to its shard. */
export interface ReaderContext {
  readonly api: KinesisApi;
  readonly options: KinesisOptions;
  readonly logger: Logger;
  shards(): Promise<readonly ShardInfo[]>;
  readSucceeded(): void;
  readFailed(error: unknown): void;
}

/**
 * The loop that reads a shard in this process, for all cursors on it. Cursors at the same position share a read. Two reads are never
 * closer together than AWS allows; after a read that found nothing, the next waits for `pollInterval`.
 */
export class ShardReader {
  readonly shardId: string;
  readonly #api: KinesisApi;
  readonly #options: KinesisOptions;
  readonly #context: ReaderContext;
  readonly #limits: ShardLimits;
  readonly #cursors = new Set<Cursor>();
  readonly #sleep = new InterruptibleSleep();
  readonly #onIdle: () => void;
  /** How many records a read requests: fewer after a timeout, because a large answer can take too long over a slow network. */
  #limit: number;
  /** Calls of `pollNow`. */
  #polls = 0;
  #isStopped = false;
  #running: Promise<void> | undefined;

  /** @param onIdle - Called when the last cursor is removed. */
  constructor(shardId: string, context: ReaderContext, limits: ShardLimits, onIdle: () => void) {
    this.shardId = shardId;
    this.#api = context.api;
    this.#options = context.options;
    this.#context = context;
    this.#limits = limits;
    this.#limit = context.options.maxRecordsPerRead;
    this.#onIdle = onIdle;
  }

  add(cursor: Cursor): void {
    this.#cursors.add(cursor);
    this.#running ??= this.#run();
    this.#sleep.wake();
  }

  remove(cursor: Cursor): void {
    cursor.close();
    if (this.#cursors.delete(cursor) && this.#cursors.size === 0) this.#onIdle();
  }

  /** An owner may have room again. */
  wake(): void {
    this.#sleep.wake();
  }

  /** There are new records: the next read does not wait for the poll interval. */
  pollNow(): void {
    this.#polls++;
    for (const cursor of this.#cursors) if (cursor.failures === 0) cursor.dueAt = 0;
    this.#sleep.wake();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const cursor of this.#cursors) cursor.close();
    this.#sleep.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    // Not in the turn in which the first cursor is added.
    await Promise.resolve();
    while (!this.#isStopped && this.#cursors.size > 0) {
      for (const cursor of this.#cursors) cursor.deliver();
      const cursor = this.#nextDue();
      const dueAt =
        cursor === undefined ? Number.POSITIVE_INFINITY : Math.max(cursor.dueAt, this.#limits.openAt);
      const wait = dueAt - performance.now();
      if (cursor === undefined || wait > 0) await this.#sleep.sleep(wait);
      else await this.#read(cursor);
    }
    this.#running = undefined;
    // A cursor may have been added while this loop ended.
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
    const polls = this.#polls;
    const others = [...this.#cursors].filter((cursor) => cursor !== leader && cursor.wantsMore);
    leader.isReading = true;
    try {
      leader.iterator ??= await this.#iteratorFor(leader);
      const startedAt = performance.now();
      this.#limits.openAt = startedAt + 1000 / this.#options.readsPerSecond;
      const answer = await this.#recordsAfter(leader.iterator);
      const children = await this.#childrenIn(answer);
      if (this.#isStopped) return;
      const isPolled = polls !== this.#polls;
      this.#give({ answer, children, startedAt, isPolled }, leader, others);
    } catch (error) {
      if (!this.#isStopped) this.#failed(leader, error);
    } finally {
      leader.isReading = false;
    }
  }

  async #recordsAfter(iterator: string): Promise<GetRecordsCommandOutput> {
    try {
      const answer = await this.#api.getRecords(iterator, this.#limit);
      this.#limit = Math.min(this.#options.maxRecordsPerRead, this.#limit * 2);
      return answer;
    } catch (error) {
      if (nameOf(error) === 'TimeoutError')
        this.#limit = Math.max(1, Math.floor(this.#limit / timeoutShrink));
      throw error;
    }
  }

  /**
   * The child shards, if the answer was the last read of a closed shard.
   *
   * @throws Error if the answer has no next iterator although the shard is not known to be closed.
   */
  async #childrenIn(answer: GetRecordsCommandOutput): Promise<readonly ShardInfo[] | undefined> {
    const { NextShardIterator: next, ChildShards: named = [] } = answer;
    if (next !== undefined && next !== null) return undefined;
    if (named.length > 0) return named.map(childShardInfo);
    // Not every server names the children, and an answer may be cut: an empty answer alone does not end a shard.
    const shards = await this.#context.shards();
    const children = shards.filter(({ parents }) => parents.includes(this.shardId));
    const isClosed = shards.find(({ id }) => id === this.shardId)?.isClosed;
    if (isClosed === true && children.length > 0) return children;
    throw Object.assign(new Error('a read of an open shard gave no next iterator'), { name: 'CutAnswer' });
  }

  #give(
    { answer, children, startedAt, isPolled }: ShardRead,
    leader: Cursor,
    others: readonly Cursor[],
  ): void {
    const { foreignTopic, pollIntervalMs } = this.#options;
    const records = (answer.Records ?? []).map((record) => new ShardRecord(record, foreignTopic));
    const last = records.at(-1);
    const lagMs = answer.MillisBehindLatest ?? 0;
    const isCaughtUp = last === undefined && lagMs === 0;
    this.#context.readSucceeded();
    // Chosen before any cursor moves: they are compared with the position where the read began.
    const readers = others.filter((cursor) =>
      last !== undefined
        ? cursor.isWithin(leader, last.sequenceNumber)
        : cursor.hasSamePosition(leader) || (isCaughtUp && cursor.isCaughtUpWith(leader, startedAt)),
    );
    const since = isCaughtUp ? leader.serverTimeAt(startedAt) : undefined;
    const now = performance.now();
    for (const cursor of [leader, ...readers]) {
      cursor.give(records, children);
      if (last !== undefined) cursor.moveTo(last);
      else if (isCaughtUp) cursor.sequenceNumber = leader.sequenceNumber;
      cursor.iterator = answer.NextShardIterator;
      if (since !== undefined) cursor.setSince(since, startedAt);
      cursor.endOfShard =
        isCaughtUp && cursor.sequenceNumber === undefined ? { from: startedAt, until: now } : undefined;
      cursor.positionedAt = now;
      cursor.failures = 0;
      cursor.lastError = undefined;
      if (last !== undefined || isCaughtUp || lagMs < (cursor.lagMs ?? Number.POSITIVE_INFINITY))
        cursor.moves++;
      cursor.lagMs = lagMs;
      cursor.dueAt = isCaughtUp && !isPolled ? startedAt + pollIntervalMs : 0;
    }
  }

  async #iteratorFor(cursor: Cursor): Promise<string> {
    return (await this.#api.iterator(this.shardId, startOf(cursor))).iterator;
  }

  #failed(cursor: Cursor, error: unknown): void {
    cursor.lastError = error;
    const name = nameOf(error);
    const fields = { shard: this.shardId, error: messageOf(error) };
    if (name === 'ResourceNotFoundException') {
      // Either the shard is gone, or the server has lost the record after which we read.
      cursor.iterator = undefined;
      cursor.isLastUnknown = true;
      if (cursor.failures + 1 === goneAfter) this.#context.logger.warn('a shard is gone', fields);
      if (cursor.failures + 1 >= goneAfter) cursor.reportGone();
    }
    // The next read requests an iterator after the last record that was read.
    if (unknownIterator.has(name)) cursor.iterator = undefined;
    const delay = backoffMs(++cursor.failures, initialBackoffMs, maxBackoffMs);
    const now = performance.now();
    // The limit is the shard's: no cursor reads it meanwhile.
    if (isThrottle(error)) this.#limits.openAt = now + delay + 1000 / this.#options.readsPerSecond;
    else this.#context.readFailed(error);
    // An expired iterator is not a failure of the server.
    cursor.dueAt = name === 'ExpiredIteratorException' && cursor.failures === 1 ? now : now + delay;
    this.#context.logger.debug?.('a read failed; the engine tries again', fields);
  }
}

/** A read of a shard, and its answer. */
interface ShardRead {
  readonly answer: GetRecordsCommandOutput;
  /** Given if the shard is at its end. */
  readonly children: readonly ShardInfo[] | undefined;
  /** By `performance.now()`. */
  readonly startedAt: number;
  /** `pollNow` was called while the read was in progress. */
  readonly isPolled: boolean;
}

/** A shard that the server does not find this often in a row is gone. */
const goneAfter = 3;

function startOf({ sequenceNumber, isLastUnknown, lastArrivedAt, since }: Cursor): IteratorStart {
  if (sequenceNumber !== undefined && isLastUnknown) {
    if (lastArrivedAt === undefined) return { ShardIteratorType: 'TRIM_HORIZON' };
    return { ShardIteratorType: 'AT_TIMESTAMP', Timestamp: new Date(lastArrivedAt) };
  }
  if (sequenceNumber !== undefined) {
    return { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: sequenceNumber };
  }
  // No record is older than the epoch.
  if (since === undefined || since <= clockGrainMs) return { ShardIteratorType: 'TRIM_HORIZON' };
  return { ShardIteratorType: 'AT_TIMESTAMP', Timestamp: new Date(since - clockGrainMs) };
}
