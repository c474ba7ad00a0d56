import { createHash } from 'node:crypto';
import { type Event, PublishedEvent } from '../contract/event.ts';
import { newEventId } from '../contract/event-id.ts';
import type { RawRecord } from '../contract/transport.ts';
import { describeError } from '../errors/describe-error.ts';
import { handlerMetadata } from './redrive-target.ts';
import { maxTopicLength } from '../contract/topics.ts';

/** The metadata field of a dead letter that has its provenance. */
export const deadLetterKey = 'polybus.deadLetter';

const prefix = '_dead.';

/** The provenance of a dead letter: where its event comes from and why it failed. Times are ISO 8601. */
export interface DeadLetter {
  readonly sourceTopic: string;
  readonly engine: string;
  readonly group: string | null;
  readonly subscription: string;
  readonly attempts: number;
  readonly error: { readonly name: string; readonly message: string; readonly stack: string | null };
  readonly firstFailedAt: string;
  readonly lastFailedAt: string;
  /** The headers of a record that could not be decoded. The payload has its bytes. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The shortened fields; undefined if the dead letter is complete. If a field other than `error` was shortened, it cannot be redriven. */
  readonly cut?: CutDeadLetter;
}

/** The shortened parts of a dead letter that was too large for its broker, or that JSON could not represent. */
export interface CutDeadLetter {
  /**
   * The fields that were cut: `id`, `payload`, `key`, `metadata`, `createdAt`, `headers`, `error.name`, `error.message` or
   * `error.stack`. A cut payload is the beginning of the payload, as bytes or as JSON text. A cut `id` or `key` is its beginning and a
   * hash of the whole.
   */
  readonly fields: readonly string[];
  /** The size of the complete payload, in bytes. */
  readonly bytes: number;
  /** The SHA-256 digest of the complete payload, in hex. */
  readonly sha256: string;
}

/** A failed delivery, from which its dead letter is made. */
export interface Failure {
  readonly engine: string;
  readonly group: string | undefined;
  readonly subscription: string;
  readonly attempts: number;
  readonly error: unknown;
  /** Milliseconds since the epoch. */
  readonly firstFailedAt: number;
  readonly lastFailedAt: number;
}

/** Returns the default dead-letter topic, `_dead.<topic>`. If that is too long for a topic, it is cut and ends with a hash. */
export function deadLetterTopic(topic: string): string {
  return prefixed(prefix, topic);
}

/** Returns the topic for dead letters that `redrive` keeps for a later call. */
export function keptTopic(deadLetters: string): string {
  return prefixed('_kept.', deadLetters);
}

function prefixed(start: string, topic: string): string {
  const name = start + topic;
  if (name.length <= maxTopicLength) return name;
  const hash = createHash('sha256').update(topic).digest('hex').slice(0, 16);
  return `${name.slice(0, maxTopicLength - hash.length - 1)}-${hash}`;
}

/** Returns true for a topic that {@link deadLetterTopic} returns. */
export function isDeadLetterTopic(topic: string): boolean {
  return topic.startsWith(prefix);
}

/** Returns the topic or pattern that a default dead-letter topic or pattern belongs to; undefined for others and for cut topics. */
export function sourceOfDeadLetters(topicOrPattern: string): string | undefined {
  return topicOrPattern.length > prefix.length && isDeadLetterTopic(topicOrPattern)
    ? topicOrPattern.slice(prefix.length)
    : undefined;
}

/** Returns the provenance of an event from a dead-letter topic; undefined for any other event. */
export function deadLetterOf(event: Event): DeadLetter | undefined {
  const origin = event.metadata[deadLetterKey];
  return isDeadLetter(origin) ? origin : undefined;
}

/** Returns false for the field of a foreign publisher: what reads a dead letter relies on these parts. */
function isDeadLetter(value: unknown): value is DeadLetter {
  if (!isObject(value) || typeof value['sourceTopic'] !== 'string') return false;
  const { error, cut, headers } = value;
  return (
    isObject(error) &&
    typeof error['name'] === 'string' &&
    typeof error['message'] === 'string' &&
    (error['stack'] === null || typeof error['stack'] === 'string') &&
    (cut === undefined || (isObject(cut) && Array.isArray(cut['fields']))) &&
    (headers === undefined || isObject(headers))
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Creates the dead letter of an event that failed on every attempt: its id, payload, key, time and metadata, with provenance. */
export function createDeadLetter(event: Event, topic: string, failure: Failure): PublishedEvent {
  const metadata = {
    ...handlerMetadata(event.metadata),
    [deadLetterKey]: provenance(event.topic, failure),
  };
  return new PublishedEvent(event.id, topic, event.payload, metadata, event.key, event.createdAt);
}

/** Creates the dead letter of a record that is not an event, with its bytes as the payload. */
export function createRawDeadLetter(record: RawRecord, topic: string, failure: Failure): PublishedEvent {
  const origin = { ...provenance(record.topic, failure), headers: record.headers ?? {} };
  const key = record.key === '' ? undefined : record.key;
  return new PublishedEvent(newEventId(), topic, record.bytes, { [deadLetterKey]: origin }, key, new Date());
}

function provenance(sourceTopic: string, failure: Failure): DeadLetter {
  return {
    sourceTopic,
    engine: failure.engine,
    group: failure.group ?? null,
    subscription: failure.subscription,
    attempts: failure.attempts,
    error: describeError(failure.error),
    firstFailedAt: new Date(failure.firstFailedAt).toISOString(),
    lastFailedAt: new Date(failure.lastFailedAt).toISOString(),
  };
}
