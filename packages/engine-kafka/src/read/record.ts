import { type Event, UndecodableRecordError } from '@polybus/core';
import {
  type DecodeContext,
  contentMode,
  decodeRecord,
  decodeStructured,
  encodeBinary,
  encodeStructured,
  structuredContentType,
} from '@polybus/core/cloudevents';
import { foreignEvent } from '@polybus/core/engine';
import type { Decoded, FetchedRecord } from '../client/fetched-record.ts';
import type { OutgoingRecord } from '../client/kafka-client.ts';
import type { ContentMode } from '../options/config.ts';

const structuredHeaders = { 'content-type': structuredContentType };

/** The record of an event. */
export function encode(event: Event, source: string, mode: ContentMode): OutgoingRecord {
  const key = event.key ?? null;
  if (mode === 'binary') {
    const { headers, body } = encodeBinary(event, { source });
    // A record without a value is a tombstone: it would delete what a compacted topic has under this key.
    if (body !== undefined) return { key, value: bytesOf(body), headers };
  }
  return { key, value: encodeStructured(event, { source }), headers: structuredHeaders };
}

function bytesOf(body: string | Uint8Array): string | Buffer {
  return typeof body === 'string' ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

/** Bytes of a record, as the broker counts them, to within a few. */
export function sizeOf({ key, value, headers }: OutgoingRecord): number {
  // Lengths and deltas take up to some 20 bytes.
  const size = 24 + Buffer.byteLength(value) + (key === null ? 0 : Buffer.byteLength(key));
  return size + (headers === structuredHeaders ? structuredHeadersSize : sizeOfHeaders(headers));
}

function sizeOfHeaders(headers: OutgoingRecord['headers']): number {
  let size = 0;
  // Each has two lengths.
  for (const [name, text] of Object.entries(headers))
    size += Buffer.byteLength(name) + Buffer.byteLength(text) + 6;
  return size;
}

const structuredHeadersSize = sizeOfHeaders(structuredHeaders);

/**
 * Decodes a record of ours, of another CloudEvents producer, or of one that knows nothing of them. It fails for none.
 *
 * To be called once by each place that has taken the record: it is kept for the others, and no longer, since whatever waits in
 * the records of a large answer outlives the collections of what is young, and costs the more.
 */
export function decode(topic: string, partition: number, record: FetchedRecord): Decoded {
  const decoded = record.decoded ?? decodeNow(topic, partition, record);
  record.decoded = --record.takers > 0 ? decoded : undefined;
  return decoded;
}

function decodeNow(topic: string, partition: number, record: FetchedRecord): Decoded {
  try {
    return { event: decodeAny(partition, record, new RecordContext(topic, record)) };
  } catch (error) {
    const cause =
      error instanceof UndecodableRecordError ? error : new UndecodableRecordError(String(error), { topic });
    const bytes = new Uint8Array(record.value ?? []);
    return { raw: { topic, bytes, headers: headersText(record), key: keyOf(record), error: cause } };
  }
}

/** What an event of ours says itself is not looked up in its record. */
class RecordContext implements DecodeContext {
  readonly topic: string;
  readonly #record: FetchedRecord;

  constructor(topic: string, record: FetchedRecord) {
    this.topic = topic;
    this.#record = record;
  }

  get key(): string | undefined {
    return keyOf(this.#record);
  }

  get createdAt(): Date | undefined {
    const { timestamp } = this.#record;
    // Kafka has -1 for none.
    return timestamp < 0 ? undefined : new Date(timestamp);
  }
}

const ownContentType = Buffer.from(structuredContentType);

function decodeAny(partition: number, record: FetchedRecord, context: RecordContext): Event {
  const { headers, value } = record;
  const contentType = headers['content-type'];
  if (value !== null && Buffer.isBuffer(contentType) && contentType.equals(ownContentType)) {
    return decodeStructured(utf8Of(value), context);
  }
  // By its headers alone: without them any JSON object would be taken for an envelope.
  const mode = contentMode({ headers, body: undefined });
  if (mode === 'foreign' && !isEnvelope(value)) return foreign(partition, record, context);
  if (mode === 'binary' || value === null) return decodeRecord({ headers, body: value }, context);
  return decodeRecord({ headers, body: utf8Of(value) }, context);
}

/** As text, several times as fast as by a strict decoder; where something was replaced, that one is to say what is wrong. */
function utf8Of(value: Buffer): string | Buffer {
  const text = value.toString();
  return text.includes('\ufffd') ? value : text;
}

/** True for a structured CloudEvent whose producer has left out the header that says so. */
function isEnvelope(value: Buffer | null): boolean {
  if (value === null || !value.includes('"specversion"')) return false;
  const parsed = jsonOf(value.toString());
  return typeof parsed === 'object' && parsed !== null && 'specversion' in parsed && 'id' in parsed;
}

/** What a producer wrote that knows nothing of events: the value is the payload, the headers are the metadata. */
function foreign(partition: number, record: FetchedRecord, context: RecordContext): Event {
  return foreignEvent({
    // The same at each delivery.
    id: `${context.topic}-${partition}-${record.offset}`,
    topic: context.topic,
    payload: foreignPayload(record.value),
    metadata: headersText(record),
    key: context.key,
    createdAt: context.createdAt,
  });
}

function foreignPayload(value: Buffer | null): unknown {
  if (value === null) return undefined;
  const text = textOf(value);
  if (text === undefined) return new Uint8Array(value);
  const parsed = jsonOf(text);
  return parsed === undefined ? text : parsed;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function keyOf({ key }: FetchedRecord): string | undefined {
  return key === null || key.length === 0 ? undefined : textOf(key);
}

/** Undefined where the bytes are not UTF-8. */
function textOf(bytes: Buffer): string | undefined {
  const text = bytes.toString();
  return text.includes('\ufffd') && !Buffer.from(text).equals(bytes) ? undefined : text;
}

/** Headers as text; bytes that are not UTF-8 as base64. Of several of one name the last counts, as for Kafka's own clients. */
function headersText({ headers }: FetchedRecord): Record<string, string> {
  const texts: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    const last = Array.isArray(value) ? value.at(-1) : value;
    if (last === undefined || last === null) continue;
    texts.push([name, typeof last === 'string' ? last : (textOf(last) ?? last.toString('base64'))]);
  }
  // Whatever their names: an assignment to `__proto__` would set no header.
  return Object.fromEntries(texts);
}
