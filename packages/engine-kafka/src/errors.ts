import { PolybusError, type PolybusErrorOptions, PublishError } from '@polybus/core';
import { type FailureKind, KafkaFailure } from './client/failure.ts';

/** Kafka cannot be reached, or does not let us in. `cause` is the client's error. */
export class KafkaConnectionError extends PolybusError {
  constructor(message: string, options: PolybusErrorOptions = {}) {
    super('CONNECTION_FAILED', message, options);
  }
}

/** Kafka did not create a topic, or does not take its name. */
export class KafkaTopicError extends PolybusError {
  constructor(message: string, options: PolybusErrorOptions = {}) {
    super('TOPIC_REFUSED', message, options);
  }
}

/** An event is larger than its topic accepts (`max.message.bytes`), or than its brokers do (`socket.request.max.bytes`). */
export class RecordTooLargeError extends PolybusError {
  /** The size of the record, without its batch. */
  readonly bytes: number;
  /** The limit of the topic; undefined if the cluster does not say. */
  readonly maxBytes: number | undefined;

  constructor(bytes: number, maxBytes: number | undefined, options: PolybusErrorOptions = {}) {
    super(
      'RECORD_TOO_LARGE',
      `Kafka did not accept the event: its record has ${bytes} bytes, and the topic "${options.topic}" accepts ` +
        `${maxBytes === undefined ? 'fewer' : `at most ${maxBytes}`}. Raise max.message.bytes of the topic and ` +
        'socket.request.max.bytes of the brokers, compress, or publish a reference to the data.',
      options,
    );
    this.bytes = bytes;
    this.maxBytes = maxBytes;
  }
}

/** The message of whatever the client gave. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The typed error for a start that failed. */
export function connectionError(error: unknown, engine: string): KafkaConnectionError {
  const isRefused = error instanceof KafkaFailure && error.kind === 'refused';
  const advice = isRefused
    ? 'Check sasl, ssl, and what the cluster lets this user do.'
    : 'Check that brokers are right, that they can be reached from here under the names that they advertise, and ssl.';
  return new KafkaConnectionError(`Cannot connect to Kafka: ${messageOf(error)}. ${advice}`, {
    cause: error,
    engine,
  });
}

/** The typed error for a subscription that could not be made; those that are typed already stay as they are. */
export function subscribeError(error: unknown, topic: string, engine: string): unknown {
  if (PolybusError.is(error)) return error;
  const isRefused = error instanceof KafkaFailure && error.kind === 'refused';
  const advice = isRefused
    ? 'Check what the cluster lets this user do with the topic and the group.'
    : 'Try again.';
  return new KafkaConnectionError(`Cannot subscribe to "${topic}": ${messageOf(error)}. ${advice}`, {
    cause: error,
    topic,
    engine,
  });
}

/** The typed error for a publish that failed. */
export function publishError(error: unknown, topic: string, engine: string): PublishError {
  const kind = error instanceof KafkaFailure ? error.kind : undefined;
  return new PublishError(`Kafka did not accept the event: ${messageOf(error)}. ${adviceFor(kind)}`, {
    cause: error,
    topic,
    engine,
  });
}

function adviceFor(kind: FailureKind | undefined): string {
  if (kind === 'refused') return 'Check the user, and what the cluster lets that user do.';
  if (kind === 'invalid-record')
    return 'A topic that is compacted takes no event without a key: give it one.';
  return 'It may have arrived: publish it again with the same id if handlers can tell.';
}
