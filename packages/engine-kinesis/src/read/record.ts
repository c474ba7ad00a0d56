import type { _Record } from '@aws-sdk/client-kinesis';
import { type Event, UndecodableRecordError } from '@polybus/core';
import { decodeRecord } from '@polybus/core/cloudevents';
import type { RawRecord } from '@polybus/core/engine';
import { deaggregate, isAggregated } from './aggregation.ts';
import { messageOf } from '../errors.ts';

/** An event, or a record that could not be decoded. */
export type Decoded =
  | { readonly event: Event; readonly raw?: undefined }
  | { readonly event?: undefined; readonly raw: RawRecord };

/** A record of a shard. It is decoded on first use, once for all subscriptions. */
export class ShardRecord {
  readonly sequenceNumber: string;
  /** When the server received it. */
  readonly arrivedAt: number;
  readonly #record: _Record;
  readonly #foreignTopic: string;
  #contents: readonly Decoded[] | undefined;

  constructor(record: _Record, foreignTopic: string) {
    this.sequenceNumber = record.SequenceNumber ?? '0';
    this.arrivedAt = record.ApproximateArrivalTimestamp?.getTime() ?? 0;
    this.#record = record;
    this.#foreignTopic = foreignTopic;
  }

  /** One event, or several if a producer has aggregated them. */
  get contents(): readonly Decoded[] {
    return (this.#contents ??= this.#decode());
  }

  #decode(): readonly Decoded[] {
    const { Data: data = new Uint8Array(), PartitionKey: key = '' } = this.#record;
    if (!isAggregated(data)) return [this.#decodeOne(data, key)];
    try {
      const records = deaggregate(data);
      if (records !== undefined)
        return records.map((record) => this.#decodeOne(record.data, record.partitionKey));
    } catch (error) {
      return [this.#raw(data, key, `the aggregated record cannot be read: ${messageOf(error)}`)];
    }
    return [this.#decodeOne(data, key)];
  }

  #decodeOne(data: Uint8Array, key: string): Decoded {
    const createdAt = this.#record.ApproximateArrivalTimestamp;
    try {
      // Several times as fast as a strict decoder. If a byte was replaced, decodeRecord decodes strictly and reports the fault.
      const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString();
      return { event: decodeRecord({ body: text.includes('\ufffd') ? data : text }, { key, createdAt }) };
    } catch (error) {
      return this.#raw(data, key, error);
    }
  }

  #raw(data: Uint8Array, key: string, reason: unknown): Decoded {
    const topic = this.#foreignTopic;
    const error =
      reason instanceof UndecodableRecordError
        ? reason
        : new UndecodableRecordError(String(reason), { topic });
    return { raw: { topic, bytes: new Uint8Array(data), key, error } };
  }
}

/** Sequence numbers are decimal numbers of up to 128 bits. Negative if the first comes before the second. */
export function compareSequence(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}
