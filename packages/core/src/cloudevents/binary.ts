import {
  type DecodeContext,
  type EncodeOptions,
  attributesOf,
  decodeUtf8,
  eventOf,
  parseJson,
  put,
  undecodable,
} from './attributes.ts';
import type { Event } from '../contract/event.ts';

/** How a protocol maps context attributes to headers. */
export interface HeaderBinding {
  /** The prefix of each attribute name. */
  readonly prefix: string;
  /** True if values are percent-encoded ASCII; false if they are UTF-8. */
  readonly isPercentEncoded: boolean;
}

/** Kafka protocol binding 1.0.2, section 3.2.3: `ce_id`, UTF-8 values. */
export const kafkaHeaders: HeaderBinding = Object.freeze({ prefix: 'ce_', isPercentEncoded: false });
/** HTTP protocol binding 1.0.2, section 3.1.3: `ce-id`, percent-encoded values. */
export const httpHeaders: HeaderBinding = Object.freeze({ prefix: 'ce-', isPercentEncoded: true });

/** A header value as clients return it. Kafka's values are bytes, and a name may occur more than once. */
export type HeaderValue = string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
export type Headers = Readonly<Record<string, HeaderValue>>;

/** An event in binary content mode: attributes are headers, and the payload is the body. */
export interface BinaryMessage {
  readonly headers: Record<string, string>;
  /** Undefined if the event has no payload. For Kafka, a record without a value is a tombstone. */
  readonly body: Uint8Array | string | undefined;
}

/** A record as clients return it. */
export interface IncomingMessage {
  readonly headers?: Headers | undefined;
  readonly body: Uint8Array | string | null | undefined;
}

/** Encodes an event in binary content mode, by default for Kafka (Kafka protocol binding 1.0.2, section 3.2). */
export function encodeBinary(
  event: Event,
  options: EncodeOptions & { readonly binding?: HeaderBinding | undefined },
): BinaryMessage {
  const { payload } = event;
  const { prefix, isPercentEncoded } = options.binding ?? kafkaHeaders;
  const headers: Record<string, string> = {};
  // Section 3.2.1: the attribute `datacontenttype` is the header `content-type`.
  if (payload !== undefined) {
    headers['content-type'] = payload instanceof Uint8Array ? 'application/octet-stream' : 'application/json';
  }
  for (const [name, value] of Object.entries(attributesOf(event, options.source, undefined))) {
    if (value !== undefined) headers[prefix + name] = isPercentEncoded ? percentEncode(value) : value;
  }
  if (payload === undefined || payload instanceof Uint8Array) return { headers, body: payload };
  return { headers, body: JSON.stringify(payload) };
}

/**
 * Decodes a CloudEvent in binary content mode, of polybus or of another producer. Attributes become metadata as with
 * `decodeStructured`. A JSON body is parsed, a `text/*` body is a string, and any other body is bytes. Headers that are not CloudEvents
 * attributes are ignored, because they belong to the transport and may contain secrets.
 *
 * @throws {@link UndecodableRecordError} if the input is invalid. It throws no other error.
 */
export function decodeBinary(
  message: IncomingMessage,
  context: DecodeContext = {},
  binding: HeaderBinding = kafkaHeaders,
): Event {
  const attributes: Record<string, unknown> = {};
  let contentType: string | undefined;
  for (const [header, value] of Object.entries(message.headers ?? {})) {
    if (value === undefined) continue;
    const name = header.toLowerCase();
    if (name === 'content-type') {
      contentType = headerText(value, context);
    } else if (name.startsWith(binding.prefix)) {
      const text = headerText(value, context);
      const decoded =
        binding.isPercentEncoded && text !== undefined ? percentDecode(text, header, context) : text;
      put(attributes, name.slice(binding.prefix.length), decoded);
    }
  }
  if (contentType !== undefined) attributes['datacontenttype'] = contentType;
  const dataContentType = attributes['datacontenttype'];
  const payload = payloadOf(
    message.body,
    typeof dataContentType === 'string' ? dataContentType : '',
    context,
  );
  return eventOf(attributes, payload, context);
}

/** Returns a header by its lower-case name, ignoring case. */
export function headerOf(headers: Headers, name: string, context: DecodeContext): string | undefined {
  if (headers[name] !== undefined) return headerText(headers[name], context);
  const written = Object.keys(headers).find(
    (key) => key.toLowerCase() === name && headers[key] !== undefined,
  );
  return written === undefined ? undefined : headerText(headers[written], context);
}

function headerText(value: unknown, context: DecodeContext): string | undefined {
  // Of several values the last one counts, as in Kafka's own clients.
  const last: unknown = Array.isArray(value) ? value.at(-1) : value;
  if (typeof last === 'string') return last;
  if (last instanceof Uint8Array) return decodeUtf8(last, 'a header', context);
  return typeof last === 'number' || typeof last === 'boolean' ? String(last) : undefined;
}

/** Matches media types that declare JSON (JSON event format 1.0.2, section 3.1.1). */
const jsonType = /^[^/]+\/(?:[^/]+\+)?json$/;

function payloadOf(body: IncomingMessage['body'], contentType: string, context: DecodeContext): unknown {
  if (body === undefined || body === null) return undefined;
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw undecodable('its body is neither bytes nor text', context);
  }
  const [mediaType = '', ...parameters] = contentType.toLowerCase().split(';');
  if (jsonType.test(mediaType.trim())) {
    // An empty body means no content, because not every protocol can distinguish the two.
    return body.length === 0 ? undefined : parseJson(textOf(body, context), 'its body', context);
  }
  if (mediaType.trim().startsWith('text/') && isUtf8(parameters)) return textOf(body, context);
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function isUtf8(parameters: readonly string[]): boolean {
  const charset = parameters.map(charsetOf).find(Boolean);
  return charset === undefined || charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii';
}

/** The value of the parameter `charset`, without quotes; undefined for any other parameter. */
function charsetOf(parameter: string): string | undefined {
  const [name = '', value = ''] = parameter.split('=', 2);
  return name.trim() === 'charset' ? value.trim().replace(/^"|"$/g, '') : undefined;
}

function textOf(body: string | Uint8Array, context: DecodeContext): string {
  return typeof body === 'string' ? body : decodeUtf8(body, 'its body', context);
}

/** HTTP protocol binding 1.0.2, section 3.1.3.2. */
function percentEncode(value: string): string {
  return value.toWellFormed().replace(/[^\x21\x23\x24\x26-\x7e]+/gu, encodeURIComponent);
}

function percentDecode(value: string, header: string, context: DecodeContext): string {
  const isQuoted = value.length > 1 && value.startsWith('"') && value.endsWith('"');
  const plain = isQuoted ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
  try {
    return plain.replace(/(?:%[0-9a-f]{2})+/gi, decodeURIComponent);
  } catch {
    throw undecodable(`its header ${header} is not percent-encoded UTF-8`, context);
  }
}
