import { newEventId } from './event-id.ts';
import { type Event, type NewEvent, PublishedEvent } from './event.ts';
import { InvalidEventError } from '../errors/errors.ts';
import { quote } from '../errors/polybus-error.ts';
import { suggestion } from '../errors/suggest.ts';
import { toJsonValue } from './json.ts';
import { assertTopic } from './topics.ts';

/** The maximum length of a key: 256 Unicode characters, the limit of Kinesis, which is the strictest of the brokers. */
export const maxKeyLength = 256;
const maxIdLength = 256;

const eventFields = {
  topic: true,
  payload: true,
  id: true,
  key: true,
  metadata: true,
  createdAt: true,
  // Present on a received event that is published again.
  processingStarted: true,
  processingCompleted: true,
} satisfies Record<keyof Event, true>;

const noMetadata: Readonly<Record<string, unknown>> = Object.freeze({});

/**
 * Validates an event to publish and sets its defaults.
 *
 * Converts the payload to its JSON value (a `Date` to text, for example), so that handlers get the same value from the memory engine
 * and from a broker.
 *
 * @throws {@link InvalidTopicError} if the topic is invalid or a pattern.
 * @throws {@link InvalidEventError} if another field is invalid. The error has its path.
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
  const created = createdAt ?? new Date();
  return new PublishedEvent(
    id ?? newEventId(createdAt === undefined ? created : undefined),
    topic,
    toJsonValue(input.payload, 'payload', topic) as T,
    metadata === undefined ? noMetadata : toMetadata(metadata, topic),
    key,
    created,
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

/** Returns true for a string that every broker accepts as a partition key. */
export function isKey(key: unknown): key is string {
  // A lone surrogate has no UTF-8 form: the broker would store another key than the publisher set.
  return typeof key === 'string' && key.length > 0 && key.length <= maxKeyLength && key.isWellFormed();
}

function assertKey(key: unknown, topic: string): void {
  if (isKey(key)) return;
  throw new InvalidEventError(
    'key',
    `must be a well-formed string of 1 to ${maxKeyLength} characters, got ${quote(key)}; omit it for an event without a partition key`,
    { topic },
  );
}

function toMetadata(metadata: unknown, topic: string): Readonly<Record<string, unknown>> {
  const value = toJsonValue(metadata, 'metadata', topic);
  // Checked after conversion: a Date is an object, but its JSON value is not.
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw new InvalidEventError('metadata', `must be a plain object, got ${quote(metadata)}`, { topic });
  }
  return value as Record<string, unknown>;
}

/** Refuses unknown fields, so that a misspelt field is not ignored. */
function assertFieldNames(event: object, topic: string): void {
  for (const name in event) {
    // The names that nearly every event has come first, because this runs for each event.
    if (name === 'topic' || name === 'payload' || name === 'key' || name === 'metadata' || name === 'id')
      continue;
    if (Object.hasOwn(eventFields, name) || (event as Record<string, unknown>)[name] === undefined) continue;
    const hint = suggestion(name, ['topic', 'payload', 'id', 'key', 'metadata', 'createdAt'], 'fields');
    throw new InvalidEventError(name, `is not a field of an event; ${hint}`, { topic });
  }
}
