import { type PendingPublish, backoffMs, isUnsettled } from '@polybus/core/engine-kit';
import { aggregate, overhead, overheadPerRecord } from '../read/aggregation.ts';

/** An event that is to be sent. Its message is the data of a record. */
export type Outgoing = PendingPublish<Uint8Array>;

/** The events of one partition key, in order. */
export interface KeyQueue {
  readonly key: string;
  readonly keyBytes: number;
  waiting: Outgoing[];
  /** Failed requests in a row. */
  failures: number;
  /** When the next events may be sent, by `performance.now()`; `inFlight` while a request contains the first events. */
  readyAt: number;
  /** The queue is in the list of queues to send from. */
  isListed: boolean;
}

/** A record of a request, and the events in it. */
export interface OutgoingRecord {
  readonly queue: KeyQueue;
  readonly events: readonly Outgoing[];
  readonly data: Uint8Array;
}

/** PutRecords: "up to 500 records". */
const maxRecords = 500;
/** PutRecords takes 10 MiB. Until 2025 it took 5 MiB, as other implementations still do. A single record may be larger. */
const maxRequestBytes = 5 * 1024 * 1024;
/** Idle queues are removed only if there are more queues than this. */
const minSweepSize = 4096;
const initialBackoffMs = 50;
const maxBackoffMs = 2000;
const inFlight: number = Number.POSITIVE_INFINITY;

/**
 * The events to send, by partition key. A request gets one record per key, because PutRecords does not keep the order of its records: the
 * next event of a key is sent when the one before it is in the stream.
 */
export class KeyQueues {
  /** Packs waiting events of a key into one record. */
  readonly #aggregates: boolean;
  readonly #queues = new Map<string, KeyQueue>();
  /** Idle queues are removed when there are this many queues. */
  #sweepAt = minSweepSize;
  /** Queues with waiting events and none in flight, in the order in which they are to send. */
  #listed: KeyQueue[] = [];
  /** The largest record that the stream takes, with its key, in bytes. */
  maxRecordBytes: number;
  /** After `take`: when the next queue may send that was not ready, by `performance.now()`; `Infinity` if there is none. */
  nextAt: number = Number.POSITIVE_INFINITY;

  constructor(maxRecordBytes: number, aggregates: boolean) {
    this.maxRecordBytes = maxRecordBytes;
    this.#aggregates = aggregates;
  }

  get hasWaiting(): boolean {
    return this.#listed.length > 0;
  }

  queueOf(key: string): KeyQueue {
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      if (this.#queues.size >= this.#sweepAt) this.#sweep();
      queue = {
        key,
        keyBytes: Buffer.byteLength(key),
        waiting: [],
        failures: 0,
        readyAt: 0,
        isListed: false,
      };
      this.#queues.set(key, queue);
    }
    return queue;
  }

  /** Removes idle queues. Not as soon as a queue is idle, because most keys come again. */
  #sweep(): void {
    for (const queue of this.#queues.values()) {
      if (queue.waiting.length === 0 && queue.readyAt !== inFlight && !queue.isListed)
        this.#queues.delete(queue.key);
    }
    this.#sweepAt = Math.max(minSweepSize, 2 * this.#queues.size);
  }

  add(queue: KeyQueue, event: Outgoing): void {
    queue.waiting.push(event);
    this.#list(queue);
  }

  #list(queue: KeyQueue): void {
    if (queue.isListed || queue.readyAt === inFlight) return;
    queue.isListed = true;
    this.#listed.push(queue);
  }

  /** Takes the records of the next request. */
  take(): OutgoingRecord[] {
    const now = performance.now();
    const records: OutgoingRecord[] = [];
    const left: KeyQueue[] = [];
    let [bytes, isFull] = [0, false];
    this.nextAt = Number.POSITIVE_INFINITY;
    for (const queue of this.#listed) {
      if (isFull || queue.readyAt > now) {
        if (!isFull) this.nextAt = Math.min(this.nextAt, queue.readyAt);
        left.push(queue);
        continue;
      }
      // An event whose publish was aborted, or has timed out, is not sent.
      if (!queue.waiting.every(isUnsettled)) queue.waiting = queue.waiting.filter(isUnsettled);
      const [first] = queue.waiting;
      if (first === undefined) {
        queue.isListed = false;
        reset(queue);
        continue;
      }
      if (records.length > 0 && bytes + first.message.length + queue.keyBytes > maxRequestBytes) {
        isFull = true;
        left.push(queue);
        continue;
      }
      const record = this.#pack(queue, maxRequestBytes - bytes);
      queue.isListed = false;
      queue.readyAt = inFlight;
      records.push(record);
      bytes += record.data.length + queue.keyBytes;
      isFull = records.length >= maxRecords;
    }
    this.#listed = left;
    return records;
  }

  #pack(queue: KeyQueue, room: number): OutgoingRecord {
    const { waiting, key, keyBytes } = queue;
    let count = 1;
    if (this.#aggregates) {
      let left = Math.min(room, this.maxRecordBytes) - overhead - 2 * keyBytes;
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
            key,
            events.map(({ message }) => message),
          );
    return { queue, events, data };
  }

  /** The record is in the stream. */
  succeeded({ queue }: OutgoingRecord): void {
    queue.failures = 0;
    this.#continue(queue, 0);
  }

  /** The record is not in the stream. Its events that are not settled return to the front of their queue, and are sent again later. */
  failed({ queue, events }: OutgoingRecord): void {
    queue.failures++;
    queue.waiting = [...events.filter(isUnsettled), ...queue.waiting];
    this.#continue(queue, performance.now() + backoffMs(queue.failures, initialBackoffMs, maxBackoffMs));
  }

  #continue(queue: KeyQueue, readyAt: number): void {
    queue.readyAt = readyAt;
    if (queue.waiting.length > 0) this.#list(queue);
    else reset(queue);
  }
}

function reset(queue: KeyQueue): void {
  queue.failures = 0;
  queue.readyAt = 0;
}
