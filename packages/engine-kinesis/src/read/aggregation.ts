import { createHash } from 'node:crypto';

/**
 * The record format of the Kinesis Producer Library: magic bytes, a protocol buffer with many user records, and the MD5 digest of the
 * protocol buffer.
 * Source: "KPL Aggregated Record Format", awslabs/amazon-kinesis-producer, aggregation-format.md.
 */
const magic = Buffer.from([0xf3, 0x89, 0x9a, 0xc2]);
const digestLength = 16;

/** A record as its producer wrote it. */
export interface UserRecord {
  readonly partitionKey: string;
  readonly data: Uint8Array;
}

/** True for bytes that begin like an aggregated record. */
export function isAggregated(data: Uint8Array): boolean {
  return data.length > magic.length + digestLength && magic.every((byte, i) => data[i] === byte);
}

/**
 * The user records in an aggregated record; undefined if the bytes do not end with their digest, so that they are not an aggregated record.
 *
 * @throws Error if the digest is right and the content is malformed.
 */
export function deaggregate(data: Uint8Array): UserRecord[] | undefined {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const message = bytes.subarray(magic.length, -digestLength);
  if (!md5(message).equals(bytes.subarray(-digestLength))) return undefined;
  const keys: string[] = [];
  const records: { readonly key: number; readonly data: Uint8Array }[] = [];
  for (const { field, value } of fieldsOf(message)) {
    if (field === 1) keys.push(asBytes(value).toString());
    else if (field === 3) records.push(recordOf(asBytes(value)));
  }
  return records.map((record) => {
    const partitionKey = keys[record.key];
    if (partitionKey === undefined) throw new Error('a record has a partition key that is not in the table');
    return { partitionKey, data: record.data };
  });
}

function recordOf(message: Buffer): { key: number; data: Uint8Array } {
  let key: number | undefined;
  let data: Uint8Array | undefined;
  for (const { field, value } of fieldsOf(message)) {
    if (field === 1 && typeof value === 'number') key = value;
    else if (field === 3) data = asBytes(value);
  }
  if (key === undefined || data === undefined) throw new Error('a record has no partition key or no data');
  return { key, data };
}

/** Protocol buffers, "Encoding": tag, then a variable-length number or bytes with their length. */
function* fieldsOf(message: Buffer): Generator<{ field: number; value: number | Buffer }> {
  let at = 0;
  const number = (): number => {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = message[at++];
      if (byte === undefined || factor > 2 ** 49) throw new Error('it ends in the middle of a number');
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
  };
  const take = (length: number): Buffer => {
    if (at + length > message.length) throw new Error('it ends in the middle of a field');
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = number();
    const [field, type] = [Math.floor(tag / 8), tag % 8];
    if (type === 0) yield { field, value: number() };
    else if (type === 1) yield { field, value: take(8) };
    else if (type === 2) yield { field, value: take(number()) };
    else if (type === 5) yield { field, value: take(4) };
    else throw new Error(`it has a field of the unknown type ${type}`);
  }
}

function asBytes(value: number | Buffer): Buffer {
  if (typeof value === 'number') throw new Error('a field has a number instead of bytes');
  return value;
}

/** Packs several records with the same partition key into one. */
export function aggregate(partitionKey: string, all: readonly Uint8Array[]): Uint8Array {
  const key = Buffer.from(partitionKey);
  const parts: Buffer[] = [tagged(1, key)];
  for (const data of all) {
    const inner = [Buffer.from([0x08, 0]), Buffer.from([0x1a]), varint(data.length), data];
    parts.push(tagged(3, Buffer.concat(inner)));
  }
  const message = Buffer.concat(parts);
  return Buffer.concat([magic, message, md5(message)]);
}

/** The bytes that aggregation adds per user record (at most) and per aggregated record. */
export const overheadPerRecord = 14;
export const overhead: number = magic.length + digestLength + 6;

function tagged(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([field * 8 + 2]), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

function md5(bytes: Uint8Array): Buffer {
  return createHash('md5').update(bytes).digest();
}
