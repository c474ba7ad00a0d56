import type { Logger } from '@polybus/core';
import type { KinesisApi } from './kinesis-api.ts';
import { createdAtOf } from './stream.ts';

/** Milliseconds between two looks while there is no stream. */
const restMs = 1000;

/**
 * Tells whether the stream was deleted and made again since it was opened. The new one may have shards that nobody here knows and reads, and
 * no call fails for that.
 */
export class StreamIdentity {
  readonly #api: KinesisApi;
  readonly #streamName: string;
  readonly #createdAt: string;
  readonly #logger: Logger;
  #isLooking = false;
  /** What health says; undefined while it is the stream that was opened. */
  trouble: string | undefined;

  constructor(api: KinesisApi, streamName: string, createdAt: string, logger: Logger) {
    this.#api = api;
    this.#streamName = streamName;
    this.#createdAt = createdAt;
    this.#logger = logger;
  }

  /** A call was refused as it is if the stream is gone, or another: looks, as soon as there is one. */
  suspect(): void {
    if (!this.#isLooking && this.trouble === undefined) void this.#look();
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    while (!this.#api.isClosed && !(await this.#isKnown())) await this.#api.rest(restMs);
    this.#isLooking = false;
  }

  async #isKnown(): Promise<boolean> {
    try {
      const stream = await this.#api.describe();
      // Not before it has its shards.
      if (stream?.StreamStatus !== 'ACTIVE') return false;
      if (createdAtOf(stream) === this.#createdAt) return true;
    } catch {
      return false;
    }
    this.trouble =
      `the stream "${this.#streamName}" was deleted and made again while this engine ran, and some of it is not read: stop the engine ` +
      'and start it again';
    this.#logger.error(this.trouble);
    return true;
  }
}
