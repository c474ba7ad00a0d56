import { createHash } from 'node:crypto';
import type { PutRecordsCommandOutput } from '@aws-sdk/client-kinesis';
import type { Event } from '@polybus/core';
import { encodeStructured } from '@polybus/core/cloudevents';
import { Outbox, type Outgoing as OutgoingOf, backoffMs } from '@polybus/core/engine-kit';
import { RecordTooLargeError, isInvalid, isPermanent, isThrottle, publishError } from '../errors.ts';
import { aggregate, overhead, overheadPerRecord } from '../read/aggregation.ts';
import type { KinesisApi } from '../client/kinesis-api.ts';

/** An event on its way to the stream: its message is the data of a record. */
type Outgoing = OutgoingOf<Uint8Array>;

/** What a publisher needs to know. */
export interface PublisherOptions {
  readonly source: string;
  readonly engine: string;
  /** Milliseconds that an event may take, its retries included. */
  readonly timeoutMs: number;
  readonly maxRecordBytes: number;
  readonly aggregate: boolean;
  /** Told of each shard that has got records. */
  readonly onPublished: (shardId: string) => void;
}

/** The events of one partition key, in order. */
interface Lane {
  readonly key: string;
  readonly keyBytes: number;
  waiting: Outgoing[];
  failures: number;
  /** Not before; `underWay` while a request has its first events. */
  readyAt: number;
  isQueued: boolean;
}

/** A record of a request, and the events in it. */
interface Parcel {
  readonly lane: Lane;
  readonly events: readonly Outgoing[];
  readonly data: Uint8Array;
}

/** PutRecords: "up to 500 records". */
const maxRecords = 500;
/** PutRecords takes 10 MiB, and took 5 MiB until 2025, which other implementations still do. A record may be larger alone. */
const maxRequestBytes = 5 * 1024 * 1024;
/** Requests at once. More gain nothing: measured with 500 records each. */
const maxRequests = 4;
/** Lanes that are kept although they have nothing to do. */
const leastLanes = 4096;
const initialBackoffMs = 50;
const maxBackoffMs = 2000;
/** Kinesis, "PartitionKey": 256 Unicode characters. */
const maxPartitionKey = 256;

/**
 * Publishes in batches. A request has one record per partition key, because PutRecords does not keep the order of its records: the
 * next event of a key leaves when the one before it is in the stream.
 */
export class Publisher {
  readonly #api: KinesisApi;
  readonly #options: PublisherOptions;
  readonly #outbox: Outbox<Uint8Array>;
  readonly #lanes = new Map<string, Lane>();
  /** How many lanes there are when those at rest are looked for. */
  #sweepAt = leastLanes;
  /** Lanes with something to send, of which nothing is under way, in the order in which they are to leave. */
  #ready: Lane[] = [];
  readonly #requests = new Map<readonly Parcel[], Promise<void>>();
  #isScheduled = false;
  /** When the next request may leave, on our clock: later while the stream is throttled. */
  #openAt = 0;
  /** Answers in a row that refused half of their records or more. */
  #throttled = 0;
  #isClosed = false;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(api: KinesisApi, options: PublisherOptions) {
    this.#api = api;
    this.#options = options;
    this.#outbox = new Outbox({ timeoutMs: options.timeoutMs, timedOut: (one) => this.#timedOut(one) });
  }

  /** @throws {@link RecordTooLargeError} */
  send(event: Event, signal?: AbortSignal): Promise<void> {
    const { topic } = event;
    const { engine, maxRecordBytes } = this.#options;
    const data = Buffer.from(encodeStructured(event, this.#options));
    const key = partitionKeyOf(event.key ?? topic);
    const lane = this.#laneOf(key);
    const size = data.length + lane.keyBytes;
    if (size > maxRecordBytes) throw new RecordTooLargeError(size, maxRecordBytes, { topic, engine });
    const one = this.#outbox.add(topic, data, signal);
    lane.waiting.push(one);
    this.#queue(lane);
    this.#schedule();
    return one.settled;
  }

  #queue(lane: Lane): void {
    if (lane.isQueued || lane.readyAt === underWay) return;
    lane.isQueued = true;
    this.#ready.push(lane);
  }

  #laneOf(key: string): Lane {
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      if (this.#lanes.size >= this.#sweepAt) this.#sweep();
      lane = {
        key,
        keyBytes: Buffer.byteLength(key),
        waiting: [],
        failures: 0,
        readyAt: 0,
        isQueued: false,
      };
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  /** Forgets the lanes that have nothing to do: not each at once, since most keys come again. */
  #sweep(): void {
    for (const lane of this.#lanes.values())
      if (isAtRest(lane) && !lane.isQueued) this.#lanes.delete(lane.key);
    this.#sweepAt = Math.max(leastLanes, 2 * this.#lanes.size);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // What is published in the same turn leaves together.
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isScheduled = false;
    while (this.#requests.size < maxRequests && !this.#isClosed) {
      const parcels = this.#take();
      if (parcels.length === 0) break;
      const request = this.#send(parcels).finally(() => {
        this.#requests.delete(parcels);
        this.#flush();
      });
      this.#requests.set(parcels, request);
    }
  };

  #take(): Parcel[] {
    if (this.#ready.length === 0) return [];
    const now = performance.now();
    if (this.#openAt > now) {
      this.#retryIn(this.#openAt - now);
      return [];
    }
    const parcels: Parcel[] = [];
    const left: Lane[] = [];
    let [bytes, next, isFull] = [0, Number.POSITIVE_INFINITY, false];
    for (const lane of this.#ready) {
      if (isFull || lane.readyAt > now) {
        if (!isFull) next = Math.min(next, lane.readyAt);
        left.push(lane);
        continue;
      }
      // An event whose publish was aborted, or whose time is over, does not leave any more.
      if (!lane.waiting.every(isUnsettled)) lane.waiting = lane.waiting.filter(isUnsettled);
      const [first] = lane.waiting;
      if (first === undefined) {
        lane.isQueued = false;
        rest(lane);
        continue;
      }
      if (parcels.length > 0 && bytes + first.message.length + lane.keyBytes > maxRequestBytes) {
        isFull = true;
        left.push(lane);
        continue;
      }
      const parcel = this.#pack(lane, maxRequestBytes - bytes);
      lane.isQueued = false;
      lane.readyAt = underWay;
      parcels.push(parcel);
      bytes += parcel.data.length + lane.keyBytes;
      isFull = parcels.length >= maxRecords;
    }
    this.#ready = left;
    if (next !== Number.POSITIVE_INFINITY) this.#retryIn(next - now);
    return parcels;
  }

  #retryIn(ms: number): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(this.#flush, ms);
  }

  /**
   * Slows down by what part of a request was throttled: keys that are new would meet a shard that takes no more at their full rate, while
   * one key that is too busy is not to hold up the others.
   */
  #pace(part: number): void {
    this.#throttled = part >= 0.5 ? this.#throttled + 1 : 0;
    if (part === 0) return;
    const delay = part * backoffMs(Math.max(1, this.#throttled), initialBackoffMs, maxBackoffMs);
    this.#openAt = Math.max(this.#openAt, performance.now() + delay);
  }

  #pack(lane: Lane, room: number): Parcel {
    const { waiting } = lane;
    let count = 1;
    if (this.#options.aggregate) {
      let left = Math.min(room, this.#options.maxRecordBytes) - overhead - 2 * lane.keyBytes;
      count = 0;
      for (const { message } of waiting) {
        left -= message.length + overheadPerRecord;
        if (left < 0) break;
        count++;
      }
      count = Math.max(count, 1);
    }
    const events = waiting.splice(0, count);
    const data =
      count === 1
        ? events[0]!.message
        : aggregate(
            lane.key,
            events.map((one) => one.message),
          );
    return { lane, events, data };
  }

  async #send(parcels: readonly Parcel[]): Promise<void> {
    let answer: PutRecordsCommandOutput;
    try {
      answer = await this.#api.putRecords(
        parcels.map(({ lane, data }) => ({ Data: data, PartitionKey: lane.key })),
      );
    } catch (error) {
      if (isInvalid(error) && parcels.length > 1) {
        // The server refuses all for one that it does not take, such as a record of more than the stream has taken since its limit was lowered.
        const middle = Math.ceil(parcels.length / 2);
        await this.#send(parcels.slice(0, middle));
        await this.#send(parcels.slice(middle));
        return;
      }
      this.#pace(isThrottle(error) ? 1 : 0);
      for (const parcel of parcels) this.#failed(parcel, error);
      return;
    }
    const shards = new Set<string>();
    let throttled = 0;
    parcels.forEach((parcel, i) => {
      const { ShardId, ErrorCode, ErrorMessage } = answer.Records?.[i] ?? { ErrorCode: 'InternalFailure' };
      if (ErrorCode === undefined) {
        if (ShardId !== undefined) shards.add(ShardId);
        this.#succeeded(parcel);
      } else {
        const error = Object.assign(new Error(ErrorMessage ?? 'no reason given'), { name: ErrorCode });
        if (isThrottle(error)) throttled++;
        this.#failed(parcel, error);
      }
    });
    this.#pace(throttled / parcels.length);
    for (const shard of shards) this.#options.onPublished(shard);
  }

  #succeeded({ lane, events }: Parcel): void {
    lane.failures = 0;
    for (const one of events) this.#outbox.resolve(one);
    this.#goOn(lane, 0);
  }

  #failed({ lane, events }: Parcel, error: unknown): void {
    lane.failures++;
    for (const one of events) one.lastError = error;
    if (isPermanent(error) || this.#isClosed) {
      for (const one of events) this.#reject(one, error);
    }
    // Back to the front: what comes after them in the lane waits for them.
    lane.waiting = [...events.filter(isUnsettled), ...lane.waiting];
    this.#goOn(lane, performance.now() + backoffMs(lane.failures, initialBackoffMs, maxBackoffMs));
  }

  #goOn(lane: Lane, readyAt: number): void {
    lane.readyAt = readyAt;
    if (lane.waiting.length > 0) this.#queue(lane);
    else rest(lane);
  }

  #reject(one: Outgoing, error: unknown): void {
    if (!one.isSettled) this.#outbox.reject(one, this.#typed(one, error));
  }

  #typed({ topic }: Outgoing, error: unknown): Error {
    return publishError(error, topic, this.#options.engine);
  }

  #timedOut(one: Outgoing): Error {
    return this.#typed(
      one,
      one.lastError ?? new Error(`no answer from the server in ${this.#options.timeoutMs} ms`),
    );
  }

  /** Waits for the answers to what is under way, for a while, and rejects the publishes that have none then. */
  async close(): Promise<void> {
    const stopped = new Error('the engine is stopped');
    await this.#outbox.close(closeTimeoutMs, (one) => this.#typed(one, one.lastError ?? stopped));
    this.#isClosed = true;
    clearTimeout(this.#retryTimer);
  }
}

const underWay: number = Number.POSITIVE_INFINITY;

function isAtRest({ waiting, readyAt }: Lane): boolean {
  return waiting.length === 0 && readyAt !== underWay;
}

/** How often it has failed is forgotten with what has failed. */
function rest(lane: Lane): void {
  lane.failures = 0;
  lane.readyAt = 0;
}

function isUnsettled({ isSettled }: Outgoing): boolean {
  return !isSettled;
}

/** How long closing waits for answers, in milliseconds. */
const closeTimeoutMs = 1000;

/** A key that is longer than a partition key may be is replaced by its digest; the event keeps its own. */
function partitionKeyOf(key: string): string {
  return key.length <= maxPartitionKey ? key : createHash('sha256').update(key).digest('hex');
}
