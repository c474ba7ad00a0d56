import type { Event } from '@polybus/core';
import {
  type ContentMode,
  encodeBinary,
  encodeStructured,
  structuredContentType,
} from '@polybus/core/cloudevents';
import type { OutgoingRecord } from '../client/kafka-client.ts';

const structuredHeaders = { 'content-type': structuredContentType };

/** Encodes an event. */
export function encode(event: Event, source: string, mode: ContentMode): OutgoingRecord {
  const key = event.key ?? null;
  if (mode === 'binary') {
    const { headers, body } = encodeBinary(event, { source });
    // A record without a value is a tombstone, which deletes the key from a compacted topic.
    if (body !== undefined) return { key, value: bytesOf(body), headers };
  }
  return { key, value: encodeStructured(event, { source }), headers: structuredHeaders };
}

function bytesOf(body: string | Uint8Array): string | Buffer {
  return typeof body === 'string' ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

/** Bytes of a record as the broker counts them, approximately. */
export function sizeOf({ key, value, headers }: OutgoingRecord): number {
  // Lengths and deltas take up to 20 bytes or so.
  const size = 24 + Buffer.byteLength(value) + (key === null ? 0 : Buffer.byteLength(key));
  return size + (headers === structuredHeaders ? structuredHeadersSize : sizeOfHeaders(headers));
}

function sizeOfHeaders(headers: OutgoingRecord['headers']): number {
  let size = 0;
  // Each header has two lengths.
  for (const [name, text] of Object.entries(headers))
    size += Buffer.byteLength(name) + Buffer.byteLength(text) + 6;
  return size;
}

const structuredHeadersSize = sizeOfHeaders(structuredHeaders);
