import type { OutgoingRecord } from '../../kafka-client.ts';
import { at, beforeLength, currentMagic } from './record-batch.ts';

export interface BatchOptions {
  /** The number of the codec in the attributes of the batch. */
  readonly codec: number;
  /** Compresses the records; undefined if they stay as they are. */
  readonly compress: ((records: Buffer) => Promise<Buffer>) | undefined;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  /** The checksum CRC-32C. */
  readonly crc32c: (bytes: Buffer) => number;
}

/** Encodes records as one batch (Kafka protocol guide, "Record Batch"). */
export async function encodeBatch(
  records: readonly OutgoingRecord[],
  options: BatchOptions,
): Promise<Buffer> {
  const { compress } = options;
  const bytes = encodeRecords(records, compress === undefined ? at.records : 0);
  const batch =
    compress === undefined ? bytes : Buffer.concat([Buffer.alloc(at.records), await compress(bytes)]);
  const now = BigInt(Date.now());
  batch.writeBigInt64BE(0n, at.baseOffset);
  batch.writeInt32BE(batch.length - beforeLength, at.length);
  batch.writeInt32BE(-1, at.leaderEpoch);
  batch.writeInt8(currentMagic, at.magic);
  batch.writeInt16BE(options.codec, at.attributes);
  batch.writeInt32BE(records.length - 1, at.lastOffsetDelta);
  batch.writeBigInt64BE(now, at.baseTimestamp);
  batch.writeBigInt64BE(now, at.maxTimestamp);
  batch.writeBigInt64BE(options.producerId, at.producerId);
  batch.writeInt16BE(options.producerEpoch, at.producerEpoch);
  batch.writeInt32BE(options.firstSequence, at.firstSequence);
  batch.writeInt32BE(records.length, at.count);
  batch.writeUInt32BE(options.crc32c(batch.subarray(at.attributes)), at.crc);
  return batch;
}

/** The records behind so many bytes, which stay free. */
function encodeRecords(records: readonly OutgoingRecord[], before: number): Buffer {
  const encoded = records.map(partsOf);
  let total = before;
  for (let n = 0; n < encoded.length; n++) {
    const size = sizeOf(encoded[n]!, n);
    encoded[n]!.size = size;
    total += varintSize(size) + size;
  }
  const writer = new RecordWriter(Buffer.allocUnsafe(total), before);
  for (let n = 0; n < encoded.length; n++) writer.record(encoded[n]!, n);
  return writer.bytes;
}

interface Parts {
  readonly key: string | null;
  readonly keySize: number;
  readonly value: Buffer | string;
  readonly valueSize: number;
  readonly headers: readonly Header[];
  size: number;
}

interface Header {
  readonly name: string;
  readonly nameSize: number;
  readonly value: string;
  readonly valueSize: number;
}

function partsOf({ key, value, headers }: OutgoingRecord): Parts {
  return {
    key,
    keySize: key === null ? -1 : Buffer.byteLength(key),
    value,
    valueSize: Buffer.byteLength(value),
    headers: headersOf(headers),
    size: 0,
  };
}

/** The headers of structured events are always the same object. */
let last: { readonly of: object; readonly headers: readonly Header[] } | undefined;

function headersOf(given: OutgoingRecord['headers']): readonly Header[] {
  if (last?.of === given) return last.headers;
  const headers = Object.entries(given).map(([name, value]) => ({
    name,
    nameSize: Buffer.byteLength(name),
    value,
    valueSize: Buffer.byteLength(value),
  }));
  last = { of: given, headers };
  return headers;
}

/** The bytes of a record behind its length. */
function sizeOf({ keySize, valueSize, headers }: Parts, offsetDelta: number): number {
  // The attributes, and a timestamp that is that of the batch.
  let size = 2 + varintSize(offsetDelta) + varintSize(keySize) + Math.max(0, keySize);
  size += varintSize(valueSize) + valueSize + varintSize(headers.length);
  for (const header of headers) {
    size += varintSize(header.nameSize) + header.nameSize + varintSize(header.valueSize) + header.valueSize;
  }
  return size;
}

/** A number of variable length has its sign in the lowest bit. */
function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function varintSize(value: number): number {
  let size = 1;
  for (let left = zigzag(value); left >= 0x80; left = Math.floor(left / 0x80)) size++;
  return size;
}

class RecordWriter {
  readonly bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, from: number) {
    this.bytes = bytes;
    this.#at = from;
  }

  record(record: Parts, offsetDelta: number): void {
    this.#varint(record.size);
    this.bytes[this.#at++] = 0;
    this.bytes[this.#at++] = 0;
    this.#varint(offsetDelta);
    this.#varint(record.keySize);
    if (record.key !== null) this.#text(record.key, record.keySize);
    this.#varint(record.valueSize);
    if (typeof record.value === 'string') this.#text(record.value, record.valueSize);
    else this.#at += record.value.copy(this.bytes, this.#at);
    this.#varint(record.headers.length);
    for (const { name, nameSize, value, valueSize } of record.headers) {
      this.#varint(nameSize);
      this.#text(name, nameSize);
      this.#varint(valueSize);
      this.#text(value, valueSize);
    }
  }

  #text(text: string, size: number): void {
    this.bytes.write(text, this.#at, size);
    this.#at += size;
  }

  #varint(value: number): void {
    let left = zigzag(value);
    for (; left >= 0x80; left = Math.floor(left / 0x80)) this.bytes[this.#at++] = (left % 0x80) | 0x80;
    this.bytes[this.#at++] = left;
  }
}
