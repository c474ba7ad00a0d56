import { PolybusError, PublishError, RecordTooLargeError } from '@polybus/core';
import type { PolybusErrorOptions } from '@polybus/core/engine';
import { type FailureKind, KafkaFailure } from './client/failure.ts';

/** The cluster cannot be reached or refuses the user. `cause` is the error of the client. */
export class KafkaConnectionError extends PolybusError {
  constructor(message: string, options: PolybusErrorOptions = {}) {
    super('CONNECTION_FAILED', message, options);
  }
}

/** Kafka did not create a topic or refuses its name. */
export class KafkaTopicError extends PolybusError {
  constructor(message: string, options: PolybusErrorOptions = {}) {
    super('TOPIC_REFUSED', message, options);
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The error of a start that failed. A typed error is returned as it is. */
export function connectionError(error: unknown, engine: string): unknown {
  if (PolybusError.is(error)) return error;
  const isRefused = error instanceof KafkaFailure && error.kind === 'refused';
  const advice = isRefused
    ? 'Check sasl, ssl, and the permissions of this user.'
    : 'Check brokers, sasl and ssl, and that the addresses which the brokers advertise can be reached from here.';
  return new KafkaConnectionError(`Cannot connect to Kafka: ${messageOf(error)}. ${advice}`, {
    cause: error,
    engine,
  });
}

/** The error of a subscription that failed. A typed error is returned as it is. */
export function subscribeError(error: unknown, topic: string, engine: string): unknown {
  if (PolybusError.is(error)) return error;
  const isRefused = error instanceof KafkaFailure && error.kind === 'refused';
  const advice = isRefused ? 'Check the permissions of this user for the topic and the group.' : 'Try again.';
  return new KafkaConnectionError(`Cannot subscribe to "${topic}": ${messageOf(error)}. ${advice}`, {
    cause: error,
    topic,
    engine,
  });
}

/** The error if no leader says where its partitions end. */
export function lagError(error: unknown, engine: string): KafkaConnectionError {
  const message = `Kafka does not say how far consumers are behind: ${messageOf(error)}. Try again.`;
  return new KafkaConnectionError(message, { cause: error, engine });
}

/** The error of a publish that failed. */
export function publishError(error: unknown, topic: string, engine: string): PublishError {
  const kind = error instanceof KafkaFailure ? error.kind : undefined;
  return new PublishError(`Kafka did not accept the event: ${messageOf(error)}. ${adviceFor(kind)}`, {
    cause: error,
    topic,
    engine,
  });
}

function adviceFor(kind: FailureKind | undefined): string {
  if (kind === 'refused') return 'Check the user and its permissions.';
  if (kind === 'invalid-record')
    return 'If the topic is compacted, publish with a key. If the timestamp is refused, correct the clock of this host.';
  return 'The event may have arrived: publish it again with the same id if handlers are idempotent.';
}

/**
 * The error of an event that is larger than its topic accepts (`max.message.bytes`), or than its brokers do
 * (`socket.request.max.bytes`).
 *
 * @param limit - The limit of the topic; undefined if the cluster does not report it.
 */
export function tooLargeError(
  size: number,
  limit: number | undefined,
  options: PolybusErrorOptions,
): RecordTooLargeError {
  const accepted = limit === undefined ? 'fewer' : `at most ${limit}`;
  return new RecordTooLargeError(
    `Kafka did not accept the event: its record has ${size} bytes, and the topic "${options.topic}" accepts ${accepted}. Raise ` +
      'max.message.bytes of the topic and socket.request.max.bytes of the brokers, compress, or publish a reference to the data.',
    { size, limit, ...options },
  );
}
