import type { Logger } from '@polybus/core';
import type { TransportContext } from '@polybus/core/engine';
import { backoffMs } from '@polybus/core/engine-kit';
import type { Cursor } from './cursor.ts';
import type { KinesisApi } from '../client/kinesis-api.ts';
import type { KinesisOptions } from '../options/config.ts';
import { messageOf } from '../errors.ts';
import type { EndOfShard } from './position.ts';
import { retried } from '../client/retried.ts';
import type { ShardInfo } from '../client/shard.ts';
import { ShardLimits } from '../client/shard-limits.ts';
import { type ReaderContext, ShardReader } from './shard-reader.ts';
import { SharedCall } from '../client/shared-call.ts';

/** GetShardIterator: five per second and shard, as for reads. */
const iteratorsPerSecond = 5;
const minRelistMs = 500;
const maxRelistMs = 5000;

/** The readers of this process, one for each shard that it reads. */
export class ShardReaders implements ReaderContext {
  readonly api: KinesisApi;
  readonly options: KinesisOptions;
  readonly logger: Logger;
  readonly missed: TransportContext['missed'];
  readonly #readers = new Map<string, ShardReader>();
  /** They outlive the readers: repeated subscribing does not read a shard more often than its limit. */
  readonly #limits = new Map<string, ShardLimits>();
  readonly #ends = new Map<string, SharedCall<EndOfShard>>();
  readonly #listing = new SharedCall(() =>
    retried(this.api, 'list the shards of the stream', () => this.api.listShards()),
  );
  /** The failures since a read of any shard succeeded. The time of the last one is by `performance.now()`. */
  #failures: { readonly forMs: number; readonly lastAt: number; readonly lastError: unknown } | undefined;
  readonly #check = new SharedCall(() => this.#readAny());
  /** Readers whose last read is in progress. */
  readonly #ending = new Set<Promise<void>>();

  constructor(
    api: KinesisApi,
    options: KinesisOptions,
    { logger, missed }: Pick<TransportContext, 'logger' | 'missed'>,
  ) {
    this.api = api;
    this.options = options;
    this.logger = logger;
    this.missed = missed;
  }

  readSucceeded(): void {
    this.#failures = undefined;
  }

  readFailed(error: unknown): void {
    const now = performance.now();
    const { forMs, lastAt } = this.#failures ?? { forMs: 0, lastAt: now };
    // In a longer gap, nothing was read: two failures say nothing about it.
    const gapMs = Math.min(now - lastAt, this.options.leaseDurationMs);
    this.#failures = { forMs: forMs + gapMs, lastAt: now, lastError: error };
  }

  /** For how long all reads have failed. Time in which nothing is read does not count. Milliseconds. */
  get failingMs(): number {
    return this.#failures?.forMs ?? 0;
  }

  /** Why the last read failed. */
  get lastFailure(): unknown {
    return this.#failures?.lastError;
  }

  /** Finds out whether reads succeed again, for a process that reads no shard any more. */
  checkAgain(): void {
    this.#check.run().then(
      () => this.readSucceeded(),
      () => {},
    );
  }

  /** Reads from a shard: a process may be allowed to list shards, and not to read them. */
  async #readAny(): Promise<void> {
    const shards = await this.shards();
    const shard = shards[Math.floor(Math.random() * shards.length)];
    if (shard === undefined) return;
    const { iterator } = await this.api.iterator(shard.id, { ShardIteratorType: 'LATEST' });
    await this.api.getRecords(iterator, 1);
  }

  /** The shards, listed now or later. */
  shards(): Promise<readonly ShardInfo[]> {
    return this.#listing.run();
  }

  /**
   * The shards by id, retried until they can be listed.
   *
   * @returns undefined if `isWanted` returns false meanwhile, or the engine stops.
   */
  async listed(isWanted: () => boolean): Promise<ReadonlyMap<string, ShardInfo> | undefined> {
    for (let failures = 1; isWanted() && !this.api.isClosed; failures++) {
      try {
        return new Map((await this.shards()).map((shard) => [shard.id, shard]));
      } catch (error) {
        this.logger.debug?.('the shards could not be listed', { error: messageOf(error) });
        await this.api.sleep(minRelistMs + backoffMs(failures, minRelistMs, maxRelistMs));
      }
    }
    return undefined;
  }

  /** The end of a shard, requested now or later. Concurrent callers get the same. */
  endOf(shardId: string): Promise<EndOfShard> {
    let end = this.#ends.get(shardId);
    if (end === undefined) this.#ends.set(shardId, (end = new SharedCall(() => this.#requestEndOf(shardId))));
    return end.run();
  }

  async #requestEndOf(shardId: string): Promise<EndOfShard> {
    const perSecond = Math.max(iteratorsPerSecond, Math.floor(this.options.readsPerSecond));
    const limits = this.#limitsOf(shardId);
    return retried(this.api, `get the end of the shard ${shardId}`, async () => {
      await this.api.sleep(limits.nextIteratorAt(perSecond) - performance.now());
      const requestedAt = performance.now();
      return { ...(await this.api.iterator(shardId, { ShardIteratorType: 'LATEST' })), requestedAt };
    });
  }

  #limitsOf(shardId: string): ShardLimits {
    let limits = this.#limits.get(shardId);
    if (limits === undefined) this.#limits.set(shardId, (limits = new ShardLimits()));
    return limits;
  }

  add(shardId: string, cursor: Cursor): void {
    let reader = this.#readers.get(shardId);
    if (reader === undefined) {
      const made = new ShardReader(shardId, this, this.#limitsOf(shardId), () => this.#end(made));
      this.#readers.set(shardId, (reader = made));
    }
    reader.add(cursor);
  }

  remove(shardId: string, cursor: Cursor): void {
    this.#readers.get(shardId)?.remove(cursor);
  }

  wake(shardId: string): void {
    this.#readers.get(shardId)?.wake();
  }

  /** Reads a shard that has new records without waiting for the poll interval. */
  pollNow(shardId: string): void {
    this.#readers.get(shardId)?.pollNow();
  }

  #end(reader: ShardReader): void {
    this.#readers.delete(reader.shardId);
    const ending = reader.stop().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  async stop(): Promise<void> {
    for (const reader of this.#readers.values()) this.#end(reader);
    await Promise.all(this.#ending);
  }
}
