import { createHash } from 'node:crypto';
import { type Event, PublishedEvent } from '../contract/event.ts';
import { newEventId } from '../contract/event-id.ts';
import type { RawRecord } from '../contract/transport.ts';
import { describeError } from '../errors/describe-error.ts';
import { handlerMetadata } from './redrive-target.ts';
import { maxTopicLength } from '../contract/topics.ts';

/** Where, in a dead letter's metadata, its provenance is. */
export const deadLetterKey = 'polybus.deadLetter';

const prefix = '_dead.';

/** Where a dead letter came from and why. Times are ISO 8601. */
export interface DeadLetter {
  readonly sourceTopic: string;
  readonly engine: string;
  readonly group: string | null;
  readonly subscription: string;
  readonly attempts: number;
  readonly error: { readonly name: string; readonly message: string; readonly stack: string | null };
  readonly firstFailedAt: string;
  readonly lastFailedAt: string;
  /** Of a record that could not be decoded: its headers. Its bytes are the payload. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What is missing; undefined if the dead letter is whole. Only what is missing of `error` does not keep it from being redriven. */
  readonly cut?: CutDeadLetter;
}

/** What a dead letter had to leave out, because its broker takes no record that large, or because JSON cannot hold it. */
export interface CutDeadLetter {
  /**
   * The fields that are not whole: `id`, `payload`, `key`, `metadata`, `createdAt`, `headers`, `error.name`, `error.message`,
   * `error.stack`. A payload is then its beginning, as bytes or as JSON text; an `id` and a `key` are their beginning and a hash of the
   * whole.
   */
  readonly fields: readonly string[];
  /** The size of the whole payload, in bytes. */
  readonly bytes: number;
  /** The digest of the whole payload, in hex. */
  readonly sha256: string;
}

/** What the dispatcher knows about a failure. */
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

/** The default dead-letter topic: `_dead.<topic>`, cut and marked with a hash where that would be too long for a topic. */
export function deadLetterTopic(topic: string): string {
  return prefixed(prefix, topic);
}

/** Where `redrive` puts the dead letters of a topic that it was not to publish back. */
export function keptTopic(deadLetters: string): string {
  return prefixed('_kept.', deadLetters);
}

function prefixed(start: string, topic: string): string {
  const name = start + topic;
  if (name.length <= maxTopicLength) return name;
  const hash = createHash('sha256').update(topic).digest('hex').slice(0, 16);
  return `${name.slice(0, maxTopicLength - hash.length - 1)}-${hash}`;
}

/** True for topics that {@link deadLetterTopic} makes. */
export function isDeadLetterTopic(topic: string): boolean {
  return topic.startsWith(prefix);
}

/** The topic whose dead letters a default dead-letter topic (not one that was cut) or pattern holds. */
export function sourceOfDeadLetters(topicOrPattern: string): string | undefined {
  return topicOrPattern.length > prefix.length && isDeadLetterTopic(topicOrPattern)
    ? topicOrPattern.slice(prefix.length)
    : undefined;
}

/** The provenance of an event from a dead-letter topic; undefined for any other event. */
export function deadLetterOf(event: Event): DeadLetter | undefined {
  const origin = event.metadata[deadLetterKey];
  const isObject = typeof origin === 'object' && origin !== null && !Array.isArray(origin);
  return isObject ? (origin as DeadLetter) : undefined;
}

/** The dead letter of an event whose attempts are used up: its id, payload, key, time and metadata, with provenance. */
export function createDeadLetter(event: Event, topic: string, failure: Failure): PublishedEvent {
  const metadata = {
    ...handlerMetadata(event.metadata),
    [deadLetterKey]: provenance(event.topic, failure),
  };
  return new PublishedEvent(event.id, topic, event.payload, metadata, event.key, event.createdAt);
}

/** The dead letter of a record that is not an event: its bytes as the payload. */
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
