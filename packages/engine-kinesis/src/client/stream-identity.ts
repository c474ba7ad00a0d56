import type { Logger } from '@polybus/core';
import type { KinesisApi } from './kinesis-api.ts';
import { createdAtOf } from './stream.ts';

/** Milliseconds between two checks while there is no stream. */
const recheckMs = 1000;

/**
 * Detects that the stream was deleted and created again after the engine opened it. The new stream may have shards that this engine does
 * not know and does not read, and no call fails because of that.
 */
export class StreamIdentity {
  readonly #api: KinesisApi;
  readonly #streamName: string;
  readonly #createdAt: string;
  readonly #logger: Logger;
  #isChecking = false;
  /** What health reports; undefined while the stream is the one that was opened. */
  trouble: string | undefined;

  constructor(api: KinesisApi, streamName: string, createdAt: string, logger: Logger) {
    this.#api = api;
    this.#streamName = streamName;
    this.#createdAt = createdAt;
    this.#logger = logger;
  }

  /** Checks the stream after an answer that a server gives if the stream is gone or another. While there is none, the check is repeated. */
  check(): void {
    if (!this.#isChecking && this.trouble === undefined) void this.#checkUntilKnown();
  }

  async #checkUntilKnown(): Promise<void> {
    this.#isChecking = true;
    while (!this.#api.isClosed && !(await this.#isKnown())) await this.#api.sleep(recheckMs);
    this.#isChecking = false;
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
      `the stream "${this.#streamName}" was deleted and created again while this engine ran, and the engine does not read all of its ` +
      'shards: stop the engine and start it again';
    this.#logger.error(this.trouble);
    return true;
  }
}
