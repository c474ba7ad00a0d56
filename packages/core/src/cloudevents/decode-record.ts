import { type DecodeContext, undecodable } from './attributes.ts';
import { type HeaderBinding, type IncomingMessage, decodeBinary, headerOf, kafkaHeaders } from './binary.ts';
import { decodeStructured } from './structured.ts';
import type { Event } from '../contract/event.ts';

/** How a record contains an event. `structured`: its body is the whole event as JSON. `binary`: its body is the payload, and headers hold the rest. */
export type ContentMode = 'structured' | 'binary';

/** Returns true for the media type of a structured CloudEvent in JSON, ignoring parameters. */
export function isStructured(contentType: string): boolean {
  return /^application\/cloudevents\+json\s*(?:;|$)/i.test(contentType.trim());
}

/**
 * Returns how a record contains an event; `unsupported` for a batch or a CloudEvents format other than JSON, and `foreign` for a record
 * that is not a CloudEvent. The header `content-type` decides first, then a `specversion` header (Kafka protocol binding
 * 1.0.2, section 3), then whether the body is a JSON object, because not every broker has headers.
 *
 * @throws {@link UndecodableRecordError} if these headers are not UTF-8.
 */
export function contentMode(
  message: IncomingMessage,
  binding: HeaderBinding = kafkaHeaders,
  context: DecodeContext = {},
): ContentMode | 'unsupported' | 'foreign' {
  const headers = message.headers ?? {};
  const contentType = headerOf(headers, 'content-type', context)?.trim() ?? '';
  if (isStructured(contentType)) return 'structured';
  if (/^application\/cloudevents/i.test(contentType)) return 'unsupported';
  if (headerOf(headers, `${binding.prefix}specversion`, context) !== undefined) return 'binary';
  return beginsObject(message.body) ? 'structured' : 'foreign';
}

/**
 * Decodes the event in a record, in structured or binary content mode.
 *
 * @throws {@link UndecodableRecordError} if the record is invalid. It throws no other error.
 */
export function decodeRecord(
  message: IncomingMessage,
  context: DecodeContext = {},
  binding: HeaderBinding = kafkaHeaders,
): Event {
  const mode = contentMode(message, binding, context);
  if (mode === 'structured') return decodeStructured(message.body as string | Uint8Array, context);
  if (mode === 'binary') return decodeBinary(message, context, binding);
  throw undecodable(
    mode === 'foreign'
      ? 'it is not a CloudEvent: it has no CloudEvents headers and is not a JSON object'
      : 'its CloudEvents format is not supported; only application/cloudevents+json is',
    context,
  );
}

function beginsObject(body: IncomingMessage['body']): boolean {
  if (typeof body === 'string') return /^\ufeff?[ \t\r\n]*\{/.test(body);
  if (!(body instanceof Uint8Array)) return false;
  let start = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0;
  while (body[start] === 0x20 || body[start] === 0x09 || body[start] === 0x0a || body[start] === 0x0d)
    start++;
  return body[start] === 0x7b;
}
