import { UndecodableRecordError } from '../errors/errors.ts';
import { quote } from '../errors/polybus-error.ts';
import { type Event, PublishedEvent } from '../contract/event.ts';
import { parseTimestamp } from './timestamp.ts';
import { assertTopic } from '../contract/topics.ts';

/** The options of an encoder. */
export interface EncodeOptions {
  /** The CloudEvents `source`: a non-empty URI reference. */
  readonly source: string;
}

/** Information of the broker about a record. */
export interface DecodeContext {
  /** The topic that the record was read from. It overrides the `type` of the event. Default: `type`, which must then be a topic. */
  readonly topic?: string | undefined;
  /** The key of the record, for an event of another producer without a `partitionkey`. */
  readonly key?: string | undefined;
  /** The time of the record, for an event without a `time`. Default, also for an invalid `Date`: now. */
  readonly createdAt?: Date | undefined;
}

/** The extension attribute that has the metadata of an event as JSON text. Only events of polybus have it. */
export const metadataAttribute = 'polybusmetadata';

/** Deeper JSON could be parsed but not written again, for example to a dead letter. Published events are less deep. */
const maxDepth = 1200;

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Attributes that map to a field of an event. `data` and `data_base64` are not attributes. */
const placed: ReadonlySet<string> = new Set([
  'specversion',
  'id',
  'partitionkey',
  'data',
  'data_base64',
  metadataAttribute,
]);
/** Attributes whose value follows from the other fields, for an event of polybus. */
const derived: ReadonlySet<string> = new Set(['source', 'type', 'time', 'datacontenttype']);
const standard: ReadonlySet<string> = new Set([...derived, 'subject', 'dataschema']);
const tracing: ReadonlySet<string> = new Set(['traceparent', 'tracestate']);

/**
 * Returns the context attributes of an event; undefined for those it does not have (CloudEvents 1.0.2, "Context Attributes";
 * extensions "Partitioning", "Distributed Tracing" and "Correlation").
 */
export function attributesOf(
  event: Event,
  source: string,
  dataContentType: string | undefined,
): Record<string, string | undefined> {
  const { metadata } = event;
  return {
    specversion: '1.0',
    id: event.id,
    source,
    type: event.topic,
    time: event.createdAt.toISOString(),
    datacontenttype: dataContentType,
    partitionkey: event.key,
    traceparent: traceText(metadata['traceparent']),
    tracestate: traceText(metadata['tracestate']),
    correlationid: idText(metadata['correlationid']),
    causationid: idText(metadata['causationid']),
    [metadataAttribute]: encodeMetadata(metadata),
  };
}

/** W3C Trace Context is printable ASCII. Other values under these names belong to the user and stay in the metadata. */
function traceText(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\x20-\x7e]+$/.test(value) ? value : undefined;
}

/** Characters that JSON does not escape and that a CloudEvents `String` must not contain ("Type System"). */
const disallowed = /\p{Cc}|\p{Noncharacter_Code_Point}/gu;

/** Extension "Correlation" 1.0.3: a non-empty `String`. A value that is no such text stays in the metadata only. */
function idText(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '' || !value.isWellFormed()) return undefined;
  return value.search(disallowed) === -1 ? value : undefined;
}

function encodeMetadata(metadata: Event['metadata']): string {
  return JSON.stringify(metadata).replace(disallowed, (character) =>
    Array.from(character.split(''), (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join(
      '',
    ),
  );
}

/**
 * Creates an event from decoded attributes and a payload.
 *
 * @throws {@link UndecodableRecordError} if an attribute is missing or invalid.
 */
export function eventOf(
  attributes: Readonly<Record<string, unknown>>,
  payload: unknown,
  context: DecodeContext,
): Event {
  const version = attributes['specversion'];
  if (typeof version !== 'string' || !/^1\.\d+$/.test(version)) {
    throw undecodable(
      version === undefined
        ? 'it is not a CloudEvent: it has no specversion'
        : `it is a CloudEvent of specversion ${quote(version)}; only 1.0 is supported`,
      context,
    );
  }
  const id = required(attributes, 'id', context);
  const type = required(attributes, 'type', context);
  required(attributes, 'source', context);
  const sentMetadata = decodeMetadata(attributes[metadataAttribute], context);
  const metadata = sentMetadata ?? {};
  for (const name of Object.keys(attributes)) {
    const value = attributes[name];
    // JSON event format 1.0.2, section 2.2: null is the same as absent.
    if (placed.has(name) || value === null || value === undefined) continue;
    if (sentMetadata === undefined) put(metadata, standard.has(name) ? `cloudevents.${name}` : name, value);
    else if (!derived.has(name)) addForeign(sentMetadata, name, value);
  }
  const topic = context.topic ?? topicOf(type, context);
  if (sentMetadata !== undefined && topic !== type) sentMetadata['cloudevents.type'] = type;
  const key =
    text(attributes, 'partitionkey', context) ?? (sentMetadata === undefined ? context.key : undefined);
  return new PublishedEvent(
    id,
    topic,
    payload,
    metadata,
    key === '' ? undefined : key,
    timeOf(attributes, context),
  );
}

/** Adds an attribute that an intermediary added to an event of polybus, or a trace context that it changed. */
function addForeign(metadata: Record<string, unknown>, name: string, value: unknown): void {
  const entry = standard.has(name) ? `cloudevents.${name}` : name;
  if (tracing.has(name) || !Object.hasOwn(metadata, entry)) put(metadata, entry, value);
}

/** Sets an own property, also for names such as `__proto__`, where an assignment would set the prototype. */
export function put(target: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') target[name] = value;
  else Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
}

function decodeMetadata(encoded: unknown, context: DecodeContext): Record<string, unknown> | undefined {
  if (encoded === undefined || encoded === null) return undefined;
  const metadata = typeof encoded === 'string' ? parseJson(encoded, metadataAttribute, context) : undefined;
  if (isObject(metadata)) return metadata;
  throw undecodable(`its ${metadataAttribute} is not the text of a JSON object`, context);
}

function topicOf(type: string, context: DecodeContext): string {
  try {
    assertTopic(type);
    return type;
  } catch (cause) {
    const { message } = cause as Error;
    throw new UndecodableRecordError(`its type is not a topic. ${message}`, { cause, topic: context.topic });
  }
}

function timeOf(attributes: Readonly<Record<string, unknown>>, context: DecodeContext): Date {
  const value = text(attributes, 'time', context);
  if (value === undefined) return validOrNow(context.createdAt);
  const time = parseTimestamp(value);
  if (Number.isNaN(time)) throw undecodable(`its time ${quote(value)} is not an RFC 3339 time`, context);
  return new Date(time);
}

/** Returns the time of a record, or now if the broker has none or `Date` cannot represent it. */
export function validOrNow(time: Date | undefined): Date {
  return time === undefined || Number.isNaN(time.getTime()) ? new Date() : time;
}

function required(
  attributes: Readonly<Record<string, unknown>>,
  name: string,
  context: DecodeContext,
): string {
  const value = text(attributes, name, context);
  if (value === undefined || value === '')
    throw undecodable(`its required attribute ${name} is missing or empty`, context);
  return value;
}

function text(
  attributes: Readonly<Record<string, unknown>>,
  name: string,
  context: DecodeContext,
): string | undefined {
  const value = attributes[name];
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return undefined;
  // "Type System": an attribute may be a native type or its canonical string.
  if (typeof value === 'number' && Number.isInteger(value)) return String(value);
  throw undecodable(`its attribute ${name} is ${quote(value)} and not a string`, context);
}

/** Decodes UTF-8 bytes, without a byte order mark. */
export function decodeUtf8(bytes: Uint8Array, what: string, context: DecodeContext): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw undecodable(`${what} is not UTF-8`, context);
  }
}

export function parseJson(json: string, what: string, context: DecodeContext): unknown {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    // Without the cause, whose message quotes the text, which may contain a secret.
    throw undecodable(`${what} is not JSON`, context);
  }
  // Each level takes two characters, so that most records need no check.
  if (json.length > 2 * maxDepth) assertDepth(value, what, context);
  return value;
}

/** @throws {@link UndecodableRecordError} if the value is nested too deeply to be written again. */
export function assertDepth(value: unknown, what: string, context: DecodeContext): void {
  if (isDeeperThan(maxDepth, value))
    throw undecodable(`${what} is nested more than ${maxDepth} levels deep`, context);
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  return (Array.isArray(value) ? value : Object.values(value)).some((item) => isDeeperThan(levels - 1, item));
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function undecodable(reason: string, context: DecodeContext): UndecodableRecordError {
  return new UndecodableRecordError(reason, { topic: context.topic });
}
