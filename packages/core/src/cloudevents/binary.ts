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

/** How a protocol carries context attributes in its headers. */
export interface HeaderBinding {
  /** Before each attribute's name. */
  readonly prefix: string;
  /** Whether values are percent-encoded ASCII, or any UTF-8. */
  readonly isPercentEncoded: boolean;
}

/** Kafka protocol binding 1.0.2, section 3.2.3: `ce_id`, UTF-8 values. */
export const kafkaHeaders: HeaderBinding = Object.freeze({ prefix: 'ce_', isPercentEncoded: false });
/** HTTP protocol binding 1.0.2, section 3.1.3: `ce-id`, percent-encoded values. */
export const httpHeaders: HeaderBinding = Object.freeze({ prefix: 'ce-', isPercentEncoded: true });

/** What clients give as a header: Kafka's are bytes, and a name may be there more than once. */
export type HeaderValue = string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
export type Headers = Readonly<Record<string, HeaderValue>>;

/** An event in binary mode: attributes in headers, the payload as the body. */
export interface BinaryMessage {
  readonly headers: Record<string, string>;
  /** Undefined where the event has no payload; to Kafka, a record without a value is a tombstone. */
  readonly body: Uint8Array | string | undefined;
}

/** A record as clients give it. */
export interface IncomingMessage {
  readonly headers?: Headers | undefined;
  readonly body: Uint8Array | string | null | undefined;
}

/** An event in binary mode: Kafka protocol binding 1.0.2, section 3.2, unless another binding is given. */
export function encodeBinary(
  event: Event,
  options: EncodeOptions & { readonly binding?: HeaderBinding | undefined },
): BinaryMessage {
  const { payload } = event;
  const { prefix, isPercentEncoded } = options.binding ?? kafkaHeaders;
  const headers: Record<string, string> = {};
  // Section 3.2.1: `datacontenttype` is the header `content-type`.
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
 * The event in a binary-mode CloudEvent, of ours or of another producer; attributes become metadata as
 * `decodeStructured` says. A JSON body is parsed, a `text/*` body is a string, any other is bytes. Headers that are no
 * CloudEvents attributes are left out: they concern the hop, and may hold its secrets.
 *
 * @throws {@link UndecodableRecordError} whatever the input, and nothing else.
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

/** A header by its lower-case name, however the producer wrote it. */
export function headerOf(headers: Headers, name: string, context: DecodeContext): string | undefined {
  if (headers[name] !== undefined) return headerText(headers[name], context);
  const written = Object.keys(headers).find(
    (key) => key.toLowerCase() === name && headers[key] !== undefined,
  );
  return written === undefined ? undefined : headerText(headers[written], context);
}

function headerText(value: unknown, context: DecodeContext): string | undefined {
  // Of several the last counts, as for Kafka's own clients.
  const one: unknown = Array.isArray(value) ? value.at(-1) : value;
  if (typeof one === 'string') return one;
  if (one instanceof Uint8Array) return decodeUtf8(one, 'a header', context);
  return typeof one === 'number' || typeof one === 'boolean' ? String(one) : undefined;
}

/** JSON event format 1.0.2, section 3.1.1: what declares JSON. */
const jsonType = /^[^/]+\/(?:[^/]+\+)?json$/;

function payloadOf(body: IncomingMessage['body'], contentType: string, context: DecodeContext): unknown {
  if (body === undefined || body === null) return undefined;
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw undecodable('its body is neither bytes nor text', context);
  }
  const [mediaType = '', ...parameters] = contentType.toLowerCase().split(';');
  if (jsonType.test(mediaType.trim())) {
    // Of no content, which not every protocol can tell from empty content.
    return body.length === 0 ? undefined : parseJson(textOf(body, context), 'its body', context);
  }
  if (mediaType.trim().startsWith('text/') && isUtf8(parameters)) return textOf(body, context);
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function isUtf8(parameters: readonly string[]): boolean {
  const charset = parameters.map((one) => /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/.exec(one)?.[1]).find(Boolean);
  return charset === undefined || charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii';
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
