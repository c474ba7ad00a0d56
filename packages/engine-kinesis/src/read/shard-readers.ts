import type { Logger } from '@polybus/core';
import type { Cursor } from './cursor.ts';
import type { KinesisApi, PinnedIterator } from '../client/kinesis-api.ts';
import type { KinesisOptions } from '../options/options.ts';
import { messageOf } from '../errors.ts';
import { patiently } from '../client/patience.ts';
import { ShardLimits } from '../client/shard-limits.ts';
import { ShardReader } from './shard-reader.ts';
import { SharedCall } from '../client/shared-call.ts';
import { type ShardInfo, shardsOf } from '../client/stream.ts';

/** An iterator at the end of a shard, and when it was asked for, on our clock. */
export interface Pin extends PinnedIterator {
  readonly from: number;
}

/** GetShardIterator: five per second and shard, as for reads. */
const pinsPerSecond = 5;

/** The readers of this process's shards, one for each that somebody reads. */
export class ShardReaders {
  readonly api: KinesisApi;
  readonly options: KinesisOptions;
  readonly logger: Logger;
  readonly #readers = new Map<string, ShardReader>();
  /** They outlive the readers: a subscription that comes and goes does not read more often than one that stays. */
  readonly #limits = new Map<string, ShardLimits>();
  readonly #pins = new Map<string, SharedCall<Pin>>();
  readonly #listing = new SharedCall(() =>
    patiently(this.api, 'list the shards of the stream', () => shardsOf(this.api)),
  );
  /** Readers whose last read is still under way. */
  readonly #ending = new Set<Promise<void>>();

  constructor(api: KinesisApi, options: KinesisOptions, logger: Logger) {
    this.api = api;
    this.options = options;
    this.logger = logger;
  }

  /** The shards as they are now, or a moment later. */
  shards(): Promise<readonly ShardInfo[]> {
    return this.#listing.ask();
  }

  /**
   * The shards, by id, however long it takes to get them.
   *
   * @returns undefined where nobody wants them any more.
   */
  async listed(isWanted: () => boolean): Promise<ReadonlyMap<string, ShardInfo> | undefined> {
    while (isWanted() && !this.api.isClosed) {
      try {
        return new Map((await this.shards()).map((shard) => [shard.id, shard]));
      } catch (error) {
        this.logger.debug?.('the shards could not be listed', { error: messageOf(error) });
        await this.api.rest(1000);
      }
    }
    return undefined;
  }

  /** The end of a shard as it is now, or a moment later: many who ask at once get the same. */
  pin(shardId: string): Promise<Pin> {
    let pin = this.#pins.get(shardId);
    if (pin === undefined) this.#pins.set(shardId, (pin = new SharedCall(() => this.#pin(shardId))));
    return pin.ask();
  }

  async #pin(shardId: string): Promise<Pin> {
    const perSecond = Math.max(pinsPerSecond, Math.floor(this.options.readsPerSecond));
    const limits = this.#limitsOf(shardId);
    return patiently(this.api, `get the end of the shard ${shardId}`, async () => {
      await this.api.rest(limits.nextPinAt(perSecond) - performance.now());
      const from = performance.now();
      return { ...(await this.api.iterator(shardId, { ShardIteratorType: 'LATEST' })), from };
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

  /** A shard has new records. */
  hurry(shardId: string): void {
    this.#readers.get(shardId)?.hurry();
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
