import type { FetchedRecord } from '../../fetched-record.ts';

/** A record batch (Kafka protocol guide, "Record Batch"), or a record that the client library has decoded. */
export interface Batch {
  /** The last offset of the batch. Compaction may have removed its record, or all records. */
  readonly lastOffset: number;
  readonly producerId: string;
  readonly isTransactional: boolean;
  /** True for a batch that the cluster wrote to mark the end of a transaction. */
  readonly isControl: boolean;
  readonly records: readonly FetchedRecord[];
}

/** Decompresses, by the number of the codec in the attributes of a batch. */
export type Decompress = (codec: number, bytes: Buffer) => Promise<Buffer>;

/** Offsets of the fields of a batch, in bytes. */
export const at = {
  baseOffset: 0,
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  /** Of the bytes that follow it. */
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  firstSequence: 53,
  count: 57,
  records: 61,
} as const;
/** Bytes before and of the field `length`, which counts the bytes that follow it. */
export const beforeLength = 12;
export const currentMagic = 2;

const masks = { codec: 0x07, logAppendTime: 0x08, transactional: 0x10, control: 0x20 } as const;

/** An undecoded batch of an answer. */
export interface PackedBatch {
  readonly bytes: Buffer;
  /** The offset after the batch. */
  readonly next: number;
  /** True for the formats of Kafka before 0.11. */
  readonly isOld: boolean;
}

/**
 * The complete batches of an answer, which may end within a batch. Returns batches of one format: the next answer brings the
 * batches of the other format.
 */
export function batchesOf(bytes: Buffer): PackedBatch[] {
  const batches: PackedBatch[] = [];
  for (let from = 0; from + at.magic < bytes.length;) {
    const end = from + beforeLength + bytes.readInt32BE(from + at.length);
    if (end <= from + at.magic) throw new RangeError('a record batch has no length');
    if (end > bytes.length) break;
    const batch = bytes.subarray(from, end);
    const isOld = batch[at.magic]! < currentMagic;
    if (batches.length > 0 && isOld !== batches[0]!.isOld) break;
    const lastOffsetDelta = isOld ? 0 : batch.readInt32BE(at.lastOffsetDelta);
    batches.push({ bytes: batch, next: int64(batch, at.baseOffset) + lastOffsetDelta + 1, isOld });
    from = end;
  }
  return batches;
}

export async function decodeBatch(batch: Buffer, decompress: Decompress): Promise<Batch> {
  const baseOffset = int64(batch, at.baseOffset);
  const attributes = batch.readInt16BE(at.attributes);
  const codec = attributes & masks.codec;
  const count = batch.readInt32BE(at.count);
  const packed = batch.subarray(at.records);
  // A batch whose records were compacted away may have no bytes.
  const bytes = codec === 0 || count <= 0 ? packed : await decompress(codec, packed);
  const appendedAt = (attributes & masks.logAppendTime) > 0 ? int64(batch, at.maxTimestamp) : undefined;
  const reader = new RecordReader(bytes, baseOffset, int64(batch, at.baseTimestamp), appendedAt);
  const records: FetchedRecord[] = [];
  for (let n = 0; n < count; n++) records.push(reader.next());
  return {
    lastOffset: baseOffset + batch.readInt32BE(at.lastOffsetDelta),
    producerId: batch.readBigInt64BE(at.producerId).toString(),
    isTransactional: (attributes & masks.transactional) > 0,
    isControl: (attributes & masks.control) > 0,
    records,
  };
}

class RecordReader {
  readonly #bytes: Buffer;
  readonly #baseOffset: number;
  readonly #baseTimestamp: number;
  readonly #appendedAt: number | undefined;
  #at = 0;

  constructor(bytes: Buffer, baseOffset: number, baseTimestamp: number, appendedAt: number | undefined) {
    this.#bytes = bytes;
    this.#baseOffset = baseOffset;
    this.#baseTimestamp = baseTimestamp;
    this.#appendedAt = appendedAt;
  }

  next(): FetchedRecord {
    const length = this.#varint();
    const end = this.#at + length;
    if (length <= 0 || end > this.#bytes.length)
      throw new RangeError('a record does not end within its batch');
    // The attributes, which have no meaning yet.
    this.#at++;
    const timestampDelta = this.#varint();
    const offset = this.#baseOffset + this.#varint();
    const key = this.#slice();
    const value = this.#slice();
    const headers = this.#headers();
    this.#at = end;
    const timestamp = this.#appendedAt ?? this.#baseTimestamp + timestampDelta;
    return { offset, timestamp, key, value, headers, takers: 0, decoded: undefined };
  }

  #headers(): FetchedRecord['headers'] {
    const headers: Record<string, Buffer | Buffer[] | undefined> = {};
    for (let left = this.#varint(); left > 0; left--) {
      const name = this.#slice()?.toString() ?? '';
      const value = this.#slice() ?? undefined;
      if (!Object.hasOwn(headers, name)) {
        if (name !== '__proto__') headers[name] = value;
        else
          Object.defineProperty(headers, name, {
            value,
            enumerable: true,
            configurable: true,
            writable: true,
          });
        continue;
      }
      const before = headers[name];
      if (Array.isArray(before)) before.push(value as Buffer);
      else headers[name] = [before as Buffer, value as Buffer];
    }
    return headers;
  }

  /** Null if the length is negative. */
  #slice(): Buffer | null {
    const length = this.#varint();
    if (length < 0) return null;
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError('a field does not end within its batch');
    const slice = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return slice;
  }

  /** A number of variable length, with its sign in the lowest bit. Most have one or two bytes. */
  #varint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++]!;
    let value = byte & 0x7f;
    for (let factor = 0x80; byte >= 0x80; factor *= 0x80) {
      byte = bytes[this.#at++]!;
      value += (byte & 0x7f) * factor;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}

/** Exact up to 2^53, which no offset reaches. Larger numbers, such as a time in nanoseconds, lose their last digits. */
function int64(bytes: Buffer, offset: number): number {
  return bytes.readInt32BE(offset) * 2 ** 32 + bytes.readUInt32BE(offset + 4);
}
