import type { Logger, MissedData } from '@polybus/core';
import { backoffMs } from '@polybus/core/engine-kit';
import type { KinesisApi } from './kinesis-api.ts';
import { type StreamId, createdAtOf } from './stream.ts';

/** A stream that took the place of another of the same name. Both times are ISO times of creation. */
export interface ReplacedStream {
  readonly previous: string;
  readonly createdAt: string;
}

/** What a subscription may have missed: events that it had not read when the previous stream was deleted. */
export function missedIn(topic: string, { previous, createdAt }: ReplacedStream): Omit<MissedData, 'engine'> {
  const reason = 'the stream was deleted and created again';
  return { topic, since: new Date(Date.parse(previous) || 0), until: new Date(createdAt), reason };
}

const initialRecheckMs = 1000;
const maxRecheckMs = 5000;

/**
 * Detects that the stream was deleted and created again after the engine opened it. The new stream has other records under the same shard
 * ids, and a call for a position in the old stream does not always fail.
 */
export class StreamIdentity {
  readonly #api: KinesisApi;
  readonly #streamName: string;
  readonly #logger: Logger;
  #stream: StreamId;
  #isChecking = false;
  /** Called once for each new stream. */
  onReplaced: (replaced: ReplacedStream) => void = () => {};

  constructor(api: KinesisApi, streamName: string, stream: StreamId, logger: Logger) {
    this.#api = api;
    this.#streamName = streamName;
    this.#stream = stream;
    this.#logger = logger;
  }

  get stream(): StreamId {
    return this.#stream;
  }

  /** Checks the stream after a sign that it is gone or another. While there is none, the check is repeated. */
  check(): void {
    if (!this.#isChecking) void this.#checkUntilKnown();
  }

  async #checkUntilKnown(): Promise<void> {
    this.#isChecking = true;
    for (let round = 1; !this.#api.isClosed && !(await this.#isKnown()); round++) {
      // The limit of this call is the account's, and every process of a deployment checks at the same time.
      await this.#api.sleep(initialRecheckMs + backoffMs(round, initialRecheckMs, maxRecheckMs));
    }
    this.#isChecking = false;
  }

  async #isKnown(): Promise<boolean> {
    let createdAt: string;
    try {
      const stream = await this.#api.describe();
      // Not before it has its shards.
      if (stream?.StreamStatus !== 'ACTIVE') return false;
      createdAt = createdAtOf(stream);
    } catch {
      return false;
    }
    const { createdAt: previous } = this.#stream;
    // A server that does not tell the time has no other identity for a stream.
    if ([createdAt, ''].includes(previous) || createdAt === '' || this.#api.isClosed) return true;
    this.#stream = { ...this.#stream, createdAt };
    this.#logger.warn(
      'the stream was deleted and created again; the engine continues with the first records of the new stream',
      { streamName: this.#streamName, createdAt },
    );
    this.onReplaced({ previous, createdAt });
    return true;
  }
}
