import type { Logger } from '@polybus/core';
import type { Cursor } from './cursor.ts';
import type { KinesisApi } from './kinesis-api.ts';
import type { KinesisOptions } from './options.ts';
import { ShardReader } from './shard-reader.ts';
import { type ShardInfo, shardsOf } from './stream.ts';

/** The readers of this process's shards, one for each that somebody reads. */
export class ShardReaders {
  readonly api: KinesisApi;
  readonly options: KinesisOptions;
  readonly logger: Logger;
  readonly #readers = new Map<string, ShardReader>();
  /** Readers whose last read is still under way. */
  readonly #ending = new Set<Promise<void>>();

  constructor(api: KinesisApi, options: KinesisOptions, logger: Logger) {
    this.api = api;
    this.options = options;
    this.logger = logger;
  }

  shards(): Promise<ShardInfo[]> {
    return shardsOf(this.api);
  }

  add(shardId: string, cursor: Cursor): void {
    let reader = this.#readers.get(shardId);
    if (reader === undefined) {
      const made = new ShardReader(shardId, this.api, this.options, this.logger, () => this.#end(made));
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
