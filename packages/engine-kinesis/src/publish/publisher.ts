import { createHash } from 'node:crypto';
import type { PutRecordsCommandOutput } from '@aws-sdk/client-kinesis';
import type { Event } from '@polybus/core';
import { encodeStructured } from '@polybus/core/cloudevents';
import { PendingPublishes, backoffMs } from '@polybus/core/engine-kit';
import type { KinesisApi } from '../client/kinesis-api.ts';
import { maxRecordBytesOf, minRecordLimit } from '../client/stream.ts';
import { isInvalid, isPermanent, isThrottle, publishError, tooLargeError } from '../errors.ts';
import { KeyQueues, type Outgoing, type OutgoingRecord } from './key-queues.ts';

export interface PublisherOptions {
  /** The `source` of events without one. */
  readonly source: string;
  /** The name of the engine, for errors. */
  readonly engine: string;
  /** Timeout of a publish with its retries, in milliseconds. */
  readonly timeoutMs: number;
  readonly maxRecordBytes: number;
  readonly aggregate: boolean;
  /** Called for each shard that has new records. */
  readonly onPublished: (shardId: string) => void;
}

/** Concurrent requests. More have no effect, as measured with 500 records each. */
const maxRequests = 4;
const initialBackoffMs = 50;
const maxBackoffMs = 2000;
/** Kinesis, "PartitionKey": 256 Unicode characters. */
const maxPartitionKey = 256;
/** How long closing waits for answers, in milliseconds. */
const closeTimeoutMs = 1000;

/** Publishes in batches: sends the records that the key queues give it, and settles each event with the answer for its record. */
export class Publisher {
  readonly #api: KinesisApi;
  readonly #options: PublisherOptions;
  readonly #pending: PendingPublishes<Uint8Array>;
  readonly #queues: KeyQueues;
  readonly #requests = new Set<Promise<void>>();
  #isScheduled = false;
  /** When the next request may be sent, by `performance.now()`: later while the stream is throttled. */
  #openAt = 0;
  /** Answers in a row that throttled at least half of their records. */
  #throttled = 0;
  #isClosed = false;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(api: KinesisApi, options: PublisherOptions) {
    this.#api = api;
    this.#options = options;
    this.#pending = new PendingPublishes({
      timeoutMs: options.timeoutMs,
      timedOut: (outgoing) => this.#timedOut(outgoing),
    });
    this.#queues = new KeyQueues(options.maxRecordBytes, options.aggregate);
  }

  /** @throws {@link RecordTooLargeError} */
  send(event: Event, signal?: AbortSignal): Promise<void> {
    const { topic } = event;
    const data = Buffer.from(encodeStructured(event, this.#options));
    const queue = this.#queues.queueOf(partitionKeyOf(event.key ?? topic));
    const size = data.length + queue.keyBytes;
    if (size > this.#queues.maxRecordBytes) throw this.#tooLarge(topic, size);
    const outgoing = this.#pending.add(topic, data, signal);
    this.#queues.add(queue, outgoing);
    this.#schedule();
    return outgoing.settled;
  }

  #tooLarge(topic: string, size: number): Error {
    const { engine } = this.#options;
    return tooLargeError(size, this.#queues.maxRecordBytes, { topic, engine });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // Events that are published in the same turn share a request.
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isScheduled = false;
    while (this.#requests.size < maxRequests && !this.#isClosed) {
      const records = this.#take();
      if (records.length === 0) break;
      const request = this.#send(records).finally(() => {
        this.#requests.delete(request);
        this.#flush();
      });
      this.#requests.add(request);
    }
  };

  #take(): OutgoingRecord[] {
    if (!this.#queues.hasWaiting) return [];
    const now = performance.now();
    if (this.#openAt > now) {
      this.#flushIn(this.#openAt - now);
      return [];
    }
    const records = this.#queues.take();
    const { nextAt } = this.#queues;
    if (nextAt !== Number.POSITIVE_INFINITY) this.#flushIn(nextAt - now);
    return records;
  }

  #flushIn(ms: number): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(this.#flush, ms);
  }

  /**
   * Delays the next request by the part of a request that was throttled. Without the delay, requests with new keys would meet a throttled
   * shard at their full rate. The part matters because one key that is too busy must not delay the others.
   */
  #pace(part: number): void {
    this.#throttled = part >= 0.5 ? this.#throttled + 1 : 0;
    if (part === 0) return;
    const delay = part * backoffMs(Math.max(1, this.#throttled), initialBackoffMs, maxBackoffMs);
    this.#openAt = Math.max(this.#openAt, performance.now() + delay);
  }

  async #send(records: readonly OutgoingRecord[]): Promise<void> {
    let answer: PutRecordsCommandOutput;
    try {
      answer = await this.#api.putRecords(
        records.map(({ queue, data }) => ({ Data: data, PartitionKey: queue.key })),
      );
    } catch (error) {
      if (isInvalid(error) && records.length > 1) {
        // The server refuses the whole request for one invalid record.
        const middle = Math.ceil(records.length / 2);
        await this.#send(records.slice(0, middle));
        await this.#send(records.slice(middle));
        return;
      }
      this.#pace(isThrottle(error) ? 1 : 0);
      for (const record of records) await this.#failed(record, error);
      return;
    }
    await this.#settle(records, answer);
  }

  async #settle(records: readonly OutgoingRecord[], answer: PutRecordsCommandOutput): Promise<void> {
    const shards = new Set<string>();
    const failures: (readonly [OutgoingRecord, Error])[] = [];
    records.forEach((record, i) => {
      const { ShardId, ErrorCode, ErrorMessage } = answer.Records?.[i] ?? { ErrorCode: 'InternalFailure' };
      if (ErrorCode === undefined) {
        if (ShardId !== undefined) shards.add(ShardId);
        for (const outgoing of record.events) this.#pending.resolve(outgoing);
        this.#queues.succeeded(record);
      } else {
        const error = Object.assign(new Error(ErrorMessage ?? 'no reason given'), { name: ErrorCode });
        failures.push([record, error]);
      }
    });
    this.#pace(failures.filter(([, error]) => isThrottle(error)).length / records.length);
    for (const shard of shards) this.#options.onPublished(shard);
    for (const [record, error] of failures) await this.#failed(record, error);
  }

  async #failed(record: OutgoingRecord, error: unknown): Promise<void> {
    const { events, queue } = record;
    for (const outgoing of events) outgoing.lastError = error;
    if (isInvalid(error) && (await this.#exceedsNewLimit(record))) {
      // The smaller events of an aggregated record are sent again, in smaller records.
      for (const outgoing of events) {
        const size = outgoing.message.length + queue.keyBytes;
        if (size > this.#queues.maxRecordBytes) this.#reject(outgoing, this.#tooLarge(outgoing.topic, size));
      }
    } else if (isPermanent(error) || this.#isClosed) {
      for (const outgoing of events) this.#reject(outgoing, this.#typed(outgoing, error));
    }
    this.#queues.failed(record);
  }

  /** Asks for the limit of the stream if the server may have refused the record for its size: the limit can be lowered at any time. */
  async #exceedsNewLimit({ data, queue }: OutgoingRecord): Promise<boolean> {
    const size = data.length + queue.keyBytes;
    if (size <= minRecordLimit) return false;
    const stream = await this.#api.describe().catch(() => undefined);
    if (stream === undefined) return false;
    this.#queues.maxRecordBytes = maxRecordBytesOf(stream);
    return size > this.#queues.maxRecordBytes;
  }

  #reject(outgoing: Outgoing, error: Error): void {
    if (!outgoing.isSettled) this.#pending.reject(outgoing, error);
  }

  #typed({ topic }: Outgoing, error: unknown): Error {
    return publishError(error, topic, this.#options.engine);
  }

  #timedOut(outgoing: Outgoing): Error {
    const { timeoutMs } = this.#options;
    return this.#typed(
      outgoing,
      outgoing.lastError ?? new Error(`no answer from the server in ${timeoutMs} ms`),
    );
  }

  /** Waits a limited time for the answers to requests in progress, and rejects the publishes that have none then. */
  async close(): Promise<void> {
    const stopped = new Error('the engine is stopped');
    await this.#pending.close(closeTimeoutMs, (outgoing) =>
      this.#typed(outgoing, outgoing.lastError ?? stopped),
    );
    this.#isClosed = true;
    clearTimeout(this.#retryTimer);
  }
}

/** The key, or its digest if it is longer than a partition key may be. The event keeps its key. */
function partitionKeyOf(key: string): string {
  return key.length <= maxPartitionKey ? key : createHash('sha256').update(key).digest('hex');
}
