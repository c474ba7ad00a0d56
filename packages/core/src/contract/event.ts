import { assertEventNames } from '../engine/call-options.ts';
import { newEventId } from './event-id.ts';
import { InvalidEventError, quote } from '../errors/errors.ts';
import { toJsonValue } from './json.ts';
import { assertTopic } from './topics.ts';

/** An event as a handler receives it. Treat it and its payload as immutable: on some engines handlers share them. */
export interface Event<T = unknown> {
  /** UUIDv7 unless the publisher gave one; stable over retries and in the dead-letter topic. */
  readonly id: string;
  readonly topic: string;
  readonly payload: T;
  /** Any JSON beside the payload; an empty object where the publisher gave none. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Partition key: events of one key are handled in the order they were published. */
  readonly key?: string | undefined;
  /** When it was published, unless the publisher gave another time. */
  readonly createdAt: Date;
  /** When this delivery's handler began; set on the event that a handler receives. */
  readonly processingStarted?: Date | undefined;
  /** When this delivery's handler settled; undefined until then. */
  readonly processingCompleted?: Date | undefined;
}

/** What a publisher gives. */
export interface NewEvent<T = unknown> {
  readonly topic: string;
  /** Any JSON value, `undefined`, or a top-level `Uint8Array` for binary data. */
  readonly payload: T;
  /** Default: a new UUIDv7. */
  readonly id?: string | undefined;
  /** Partition key, 1 to 256 characters. Default: none. */
  readonly key?: string | undefined;
  /** Any JSON object. Default: `{}`. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** Default: now. */
  readonly createdAt?: Date | undefined;
}

/** Kinesis' limit on a partition key, which is the strictest of the brokers: 256 Unicode characters. */
export const maxKeyLength = 256;
const maxIdLength = 256;
const noMetadata: Readonly<Record<string, unknown>> = Object.freeze({});

/** An event that has been checked and completed; layers that see one do not check it again. */
export class PublishedEvent<T = unknown> implements Event<T> {
  readonly id: string;
  readonly topic: string;
  readonly payload: T;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly key: string | undefined;
  readonly createdAt: Date;

  constructor(
    id: string,
    topic: string,
    payload: T,
    metadata: Readonly<Record<string, unknown>>,
    key: string | undefined,
    createdAt: Date,
  ) {
    this.id = id;
    this.topic = topic;
    this.payload = payload;
    this.metadata = metadata;
    this.key = key;
    this.createdAt = createdAt;
  }
}

/**
 * Checks and completes what a publisher gave.
 *
 * The payload comes back as every broker would deliver it: what JSON would turn into something else (a `Date`, a class
 * instance) is turned already, so that the memory engine and a broker show a handler the same value.
 *
 * @throws {@link InvalidTopicError} where the topic is not one, or is a pattern.
 * @throws {@link InvalidEventError} where another field cannot be published, naming its path.
 */
export function createEvent<T>(input: NewEvent<T>): PublishedEvent<T> {
  if (input instanceof PublishedEvent) return input as PublishedEvent<T>;
  if (typeof input !== 'object' || input === null) {
    throw new InvalidEventError('event', `must be an object with a topic and a payload, got ${quote(input)}`);
  }
  const { topic, id, key, metadata, createdAt } = input;
  assertTopic(topic);
  assertEventNames(input, topic);
  if (id !== undefined) assertId(id, topic);
  if (key !== undefined) assertKey(key, topic);
  if (createdAt !== undefined && !(createdAt instanceof Date && !Number.isNaN(createdAt.getTime()))) {
    throw new InvalidEventError('createdAt', `must be a valid Date, got ${quote(createdAt)}`, { topic });
  }
  return new PublishedEvent(
    id ?? newEventId(),
    topic,
    toJsonValue(input.payload, 'payload', topic) as T,
    metadata === undefined ? noMetadata : toMetadata(metadata, topic),
    key,
    createdAt ?? new Date(),
  );
}

function assertId(id: unknown, topic: string): void {
  if (typeof id === 'string' && id.length > 0 && id.length <= maxIdLength && id.isWellFormed()) return;
  throw new InvalidEventError(
    'id',
    `must be a well-formed string of 1 to ${maxIdLength} characters, got ${quote(id)}`,
    {
      topic,
    },
  );
}

/** True for a string that every broker takes as a partition key. */
export function isKey(key: unknown): key is string {
  // A lone surrogate has no UTF-8 form: brokers would see another key than the publisher's.
  return typeof key === 'string' && key.length > 0 && key.length <= maxKeyLength && key.isWellFormed();
}

function assertKey(key: unknown, topic: string): void {
  if (isKey(key)) return;
  throw new InvalidEventError(
    'key',
    `must be a well-formed string of 1 to ${maxKeyLength} characters, got ${quote(key)}; leave it out for an event without a partition key`,
    { topic },
  );
}

function toMetadata(metadata: unknown, topic: string): Readonly<Record<string, unknown>> {
  const value = toJsonValue(metadata, 'metadata', topic);
  // What JSON makes of it counts: a Date is an object, and its JSON is not.
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw new InvalidEventError('metadata', `must be a plain object, got ${quote(metadata)}`, { topic });
  }
  return value as Record<string, unknown>;
}
