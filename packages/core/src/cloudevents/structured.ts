import {
  type DecodeContext,
  type EncodeOptions,
  attributesOf,
  decodeUtf8,
  eventOf,
  isObject,
  parseJson,
  undecodable,
} from './attributes.ts';
import type { Event } from '../contract/event.ts';

/** The media type of {@link encodeStructured} (JSON event format 1.0.2, section 3). */
export const structuredContentType = 'application/cloudevents+json; charset=utf-8';

/**
 * Encodes an event as one JSON text (JSON event format 1.0.2). The payload is `data`, which is omitted if it is undefined; bytes are
 * `data_base64` (section 3.1.1).
 */
export function encodeStructured(event: Event, options: EncodeOptions): string {
  const { payload } = event;
  const isBinary = payload instanceof Uint8Array;
  const dataContentType = isBinary || payload === undefined ? undefined : 'application/json';
  const envelope: Record<string, unknown> = attributesOf(event, options.source, dataContentType);
  if (isBinary) envelope['data_base64'] = toBase64(payload);
  else envelope['data'] = payload;
  return JSON.stringify(envelope);
}

/**
 * Decodes a CloudEvent in structured content mode, of polybus or of another producer.
 *
 * An event of polybus is restored exactly. For another producer's event, `source`, `type`, `time`, `subject`, `datacontenttype` and
 * `dataschema` become metadata `cloudevents.<name>`, and extension attributes become metadata under their own name.
 *
 * @throws {@link UndecodableRecordError} if the input is invalid. It throws no other error.
 */
export function decodeStructured(input: string | Uint8Array, context: DecodeContext = {}): Event {
  const envelope = parseJson(textOf(input, context), 'it', context);
  if (!isObject(envelope)) throw undecodable('it is not a JSON object', context);
  return eventOf(envelope, payloadOf(envelope, context), context);
}

function textOf(input: string | Uint8Array, context: DecodeContext): string {
  if (typeof input === 'string') return input.startsWith('\ufeff') ? input.slice(1) : input;
  if (input instanceof Uint8Array) return decodeUtf8(input, 'it', context);
  throw undecodable('it has no content', context);
}

/** JSON event format 1.0.2, section 3.1.2. */
function payloadOf(envelope: Record<string, unknown>, context: DecodeContext): unknown {
  const base64 = envelope['data_base64'];
  if (base64 === undefined || base64 === null) return envelope['data'];
  const bytes = typeof base64 === 'string' ? fromBase64(base64) : undefined;
  if (bytes === undefined) throw undecodable('its data_base64 is not base64 text', context);
  const { data } = envelope;
  if (data !== undefined && data !== null) throw undecodable('it has both data and data_base64', context);
  return bytes;
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

function fromBase64(base64: string): Uint8Array | undefined {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  const length = base64.length - padding;
  if (length % 4 === 1) return undefined;
  // Allocates its own memory, because a small Buffer would be a view of a shared pool.
  const bytes = new Uint8Array(Math.floor((length * 3) / 4));
  // Node.js skips characters that are not base64 and then writes fewer bytes.
  const written = Buffer.from(bytes.buffer).write(base64, 'base64');
  return written === bytes.length ? bytes : undefined;
}
