import type { FetchedRecord } from '../../fetched-record.ts';
import type { FetchedPartition } from '../../kafka-client.ts';
import { type Batch, type Decompress, type PackedBatch, batchesOf, decodeBatch } from './record-batch.ts';
import { toFailure } from '../to-failure.ts';

/** What a client library adds to the decoding of an answer to a fetch. */
export interface FetchHelp {
  /** Rejects with `MissingCodec` if the codec is not there. */
  readonly decompress: Decompress;
  /** The library's error for an error code of a partition, or of the whole answer. */
  errorOf(code: number, topic: string, partition: number): unknown;
  /**
   * Decodes a partition that cannot be decoded here: a format before Kafka 0.11, or a codec that is missing here.
   *
   * @param bytes - The partition's part of the answer, beginning with its number.
   */
  otherwise(topic: string, bytes: Buffer): Promise<readonly Batch[]>;
}

/** The codec of a batch is not there. */
export class MissingCodec extends Error {}

/** The versions of the fetch request that added fields to the answer, and the first with lengths of variable size. */
const since = { logStart: 5, sessions: 7, replicas: 11, compact: 12 };

/**
 * Decodes an answer to a fetch. The libraries fail for a whole answer if one partition has an error. kafkajs does not return the end of
 * a batch whose last records were compacted away, and fails for a batch with more records than a call takes arguments.
 */
export async function decodeFetch(
  payload: Buffer,
  version: number,
  help: FetchHelp,
): Promise<readonly FetchedPartition[]> {
  return new Answer(payload, version, help).decode();
}

class Answer {
  readonly #payload: Buffer;
  readonly #version: number;
  readonly #isCompact: boolean;
  readonly #help: FetchHelp;
  #at = 0;

  constructor(payload: Buffer, version: number, help: FetchHelp) {
    this.#payload = payload;
    this.#version = version;
    this.#isCompact = version >= since.compact;
    this.#help = help;
  }

  async decode(): Promise<readonly FetchedPartition[]> {
    // The time for which the broker wants no requests.
    this.#int32();
    if (this.#version >= since.sessions) {
      const errorCode = this.#int16();
      if (errorCode !== 0) throw await this.#help.errorOf(errorCode, '', -1);
      this.#int32();
    }
    const partitions: FetchedPartition[] = [];
    for (let topics = this.#count(); topics > 0; topics--) {
      const topic = this.#text();
      for (let left = this.#count(); left > 0; left--) partitions.push(await this.#partition(topic));
      this.#tags();
    }
    return partitions;
  }

  async #partition(topic: string): Promise<FetchedPartition> {
    const start = this.#at;
    const partition = this.#int32();
    const errorCode = this.#int16();
    const highWatermark = this.#int64();
    const lastStable = this.#int64();
    if (this.#version >= since.logStart) this.#int64();
    const aborted: Aborted[] = [];
    for (let left = this.#count(); left > 0; left--) {
      aborted.push({ producerId: this.#int64().toString(), firstOffset: Number(this.#int64()) });
      this.#tags();
    }
    if (this.#version >= since.replicas) this.#int32();
    const bytes = this.#bytes();
    this.#tags();
    const whole = this.#payload.subarray(start, this.#at);
    const of = {
      topic,
      partition,
      highWatermark: Number(highWatermark),
      lastStable: Number(lastStable < 0n ? highWatermark : lastStable),
    };
    try {
      if (errorCode !== 0) throw await this.#help.errorOf(errorCode, topic, partition);
      const packed = batchesOf(bytes);
      const isOld = packed[0]?.isOld === true;
      const decoded = isOld ? undefined : await decodeAll(packed, this.#help.decompress);
      if (decoded !== undefined)
        return {
          ...of,
          records: recordsOf(decoded, aborted),
          next: packed[decoded.length - 1]?.next,
          failure: undefined,
        };
      const others = await this.#help.otherwise(topic, whole);
      return { ...of, records: recordsOf(others, aborted), next: packed.at(-1)?.next, failure: undefined };
    } catch (error) {
      return { ...of, records: [], next: undefined, failure: toFailure(error) };
    }
  }

  #int16(): number {
    return this.#payload.readInt16BE((this.#at += 2) - 2);
  }

  #int32(): number {
    return this.#payload.readInt32BE((this.#at += 4) - 4);
  }

  #int64(): bigint {
    return this.#payload.readBigInt64BE((this.#at += 8) - 8);
  }

  /** A length of a compact field, which is greater by one; 0 if the field is null. */
  #varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.#payload.readUInt8(this.#at++);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  #count(): number {
    return this.#isCompact ? this.#varint() - 1 : this.#int32();
  }

  #text(): string {
    const length = this.#isCompact ? this.#varint() - 1 : this.#int16();
    return this.#payload.toString('utf8', this.#at, (this.#at += length));
  }

  #bytes(): Buffer {
    const length = Math.max(0, this.#count());
    return this.#payload.subarray(this.#at, (this.#at += length));
  }

  /** Skips optional fields. */
  #tags(): void {
    if (!this.#isCompact) return;
    for (let left = this.#varint(); left > 0; left--) {
      this.#varint();
      this.#at += this.#varint();
    }
  }
}

/** Decodes batches up to the first failure. Undefined if the codec of the first batch is missing. */
async function decodeAll(
  packed: readonly PackedBatch[],
  decompress: Decompress,
): Promise<Batch[] | undefined> {
  const decoded: Batch[] = [];
  for (const { bytes } of packed) {
    try {
      decoded.push(await decodeBatch(bytes, decompress));
    } catch (error) {
      // The next answer begins with this batch.
      if (decoded.length > 0) break;
      if (error instanceof MissingCodec) return undefined;
      throw error;
    }
  }
  return decoded;
}

interface Aborted {
  readonly producerId: string;
  readonly firstOffset: number;
}

/**
 * The records of users, without control records and without the records of aborted transactions, which brokers return, too.
 */
function recordsOf(batches: readonly Batch[], aborted: readonly Aborted[]): readonly FetchedRecord[] {
  const toCome = [...aborted].sort((a, b) => b.firstOffset - a.firstOffset);
  const open = new Set<string>();
  const kept = batches.filter(({ lastOffset, producerId, isTransactional, isControl, records }) => {
    while (toCome.length > 0 && toCome.at(-1)!.firstOffset <= lastOffset) open.add(toCome.pop()!.producerId);
    // The key of a control record: its version, and its type, which is 0 for the end of an aborted transaction.
    if (isControl && records[0]?.key?.readInt16BE(2) === 0) open.delete(producerId);
    return !isControl && !(isTransactional && open.has(producerId));
  });
  return kept.length === 1 ? kept[0]!.records : kept.flatMap(({ records }) => records);
}
