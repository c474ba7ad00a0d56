import type { _Record } from '@aws-sdk/client-kinesis';
import { decodeRecord } from '@polybus/core/cloudevents';
import { type Decoded, undecodable } from '@polybus/core/engine-kit';
import { deaggregate, isAggregated } from './aggregation.ts';
import { messageOf } from '../errors.ts';

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
      const reason = `the aggregated record cannot be read: ${messageOf(error)}`;
      return [undecodable(reason, { topic: this.#foreignTopic, bytes: data, key })];
    }
    return [this.#decodeOne(data, key)];
  }

  #decodeOne(data: Uint8Array, key: string): Decoded {
    const createdAt = this.#record.ApproximateArrivalTimestamp;
    try {
      return { event: decodeRecord({ body: data }, { key, createdAt }) };
    } catch (error) {
      return undecodable(error, { topic: this.#foreignTopic, bytes: data, key });
    }
  }
}

/** Sequence numbers are decimal numbers of up to 128 bits. Negative if the first comes before the second. */
export function compareSequence(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}
