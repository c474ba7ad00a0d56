import type { Event } from '@polybus/core';
import {
  type DecodeContext,
  contentMode,
  decodeRecord,
  decodeStructured,
  structuredContentType,
} from '@polybus/core/cloudevents';
import { foreignEvent } from '@polybus/core/engine';
import { type Decoded, undecodable } from '@polybus/core/engine-kit';
import type { FetchedRecord } from '../client/fetched-record.ts';

/**
 * Decodes a record of polybus, of another CloudEvents producer, or of any other producer. Never throws.
 *
 * Call it once for each cursor that has taken the record. The event is kept until the last of them has it, and no longer: objects
 * that live as long as a large answer are expensive for the garbage collector.
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
    const bytes = record.value ?? new Uint8Array();
    return undecodable(error, { topic, bytes, headers: headersText(record), key: keyOf(record) });
  }
}

/** What decoders read from the record on demand: most events hold these fields themselves. */
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
    return decodeStructured(value, context);
  }
  // By its headers alone: without them any JSON object would be taken for an envelope.
  const mode = contentMode({ headers, body: undefined });
  if (mode === 'foreign' && !isEnvelope(value)) return foreign(partition, record, context);
  return decodeRecord({ headers, body: value }, context);
}

/** True for a structured CloudEvent without the header for its content type. */
function isEnvelope(value: Buffer | null): boolean {
  if (value === null || !value.includes('"specversion"')) return false;
  const parsed = jsonOf(value.toString());
  return typeof parsed === 'object' && parsed !== null && 'specversion' in parsed && 'id' in parsed;
}

/** A record of a producer without CloudEvents: the value is the payload, and the headers are the metadata. */
function foreign(partition: number, record: FetchedRecord, context: RecordContext): Event {
  return foreignEvent({
    // The same id for each delivery.
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

/** As base64 if the bytes are not UTF-8, because the order of a key must not depend on its encoding. */
function keyOf({ key }: FetchedRecord): string | undefined {
  return key === null || key.length === 0 ? undefined : (textOf(key) ?? key.toString('base64'));
}

/** Undefined if the bytes are not UTF-8. */
function textOf(bytes: Buffer): string | undefined {
  const text = bytes.toString();
  return text.includes('\ufffd') && !Buffer.from(text).equals(bytes) ? undefined : text;
}

/** Headers as text; bytes that are not UTF-8 as base64. The last of several headers of a name counts, as in Kafka's own clients. */
function headersText({ headers }: FetchedRecord): Record<string, string> {
  const texts: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    const last = Array.isArray(value) ? value.at(-1) : value;
    if (last === undefined || last === null) continue;
    texts.push([name, typeof last === 'string' ? last : (textOf(last) ?? last.toString('base64'))]);
  }
  // An assignment to `__proto__` would not set a header.
  return Object.fromEntries(texts);
}
