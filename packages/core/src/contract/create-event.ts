import { newEventId } from './event-id.ts';
import { type Event, type NewEvent, PublishedEvent } from './event.ts';
import { InvalidEventError } from '../errors/errors.ts';
import { quote } from '../errors/polybus-error.ts';
import { suggestion } from '../errors/suggest.ts';
import { toJsonValue } from './json.ts';
import { assertTopic } from './topics.ts';

/** Kinesis' limit on a partition key, which is the strictest of the brokers: 256 Unicode characters. */
export const maxKeyLength = 256;
const maxIdLength = 256;

const eventFields = {
  topic: true,
  payload: true,
  id: true,
  key: true,
  metadata: true,
  createdAt: true,
  // Of an event that was received, and is published on.
  processingStarted: true,
  processingCompleted: true,
} satisfies Record<keyof Event, true>;

const noMetadata: Readonly<Record<string, unknown>> = Object.freeze({});

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
  assertFieldNames(input, topic);
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

/** A misspelt field would otherwise be ignored. */
function assertFieldNames(event: object, topic: string): void {
  for (const name in event) {
    // The names that nearly every event has, first: this is asked of each event.
    if (name === 'topic' || name === 'payload' || name === 'key' || name === 'metadata' || name === 'id')
      continue;
    if (Object.hasOwn(eventFields, name) || (event as Record<string, unknown>)[name] === undefined) continue;
    const hint = suggestion(name, ['topic', 'payload', 'id', 'key', 'metadata', 'createdAt'], 'fields');
    throw new InvalidEventError(name, `is no field of an event; ${hint}`, { topic });
  }
}
