import { PolybusError, type PolybusErrorOptions, PublishError } from '@polybus/core';
import { maskUrl } from '@polybus/core/engine-kit';

/** Kinesis cannot be reached, does not let us in, or does not make the stream. `cause` is the client's error. */
export class KinesisConnectionError extends PolybusError {
  constructor(message: string, options: PolybusErrorOptions = {}) {
    super('CONNECTION_FAILED', message, options);
  }
}

/** `shardCount` is not a whole number of at least 1. */
export class InvalidShardCountError extends PolybusError {
  constructor(got: unknown, path: string) {
    const shown = typeof got === 'number' || typeof got === 'string' ? JSON.stringify(got) : typeof got;
    super('INVALID_SHARD_COUNT', `${path}.shardCount: expected a whole number of at least 1, got ${shown}.`);
  }
}

/** An event that is larger, encoded, than a record of the stream may be. Nothing was sent. */
export class RecordTooLargeError extends PolybusError {
  /** Bytes of the record, its partition key included. */
  readonly size: number;
  /** Bytes that the stream takes. */
  readonly limit: number;

  constructor(size: number, limit: number, options: PolybusErrorOptions = {}) {
    super(
      'RECORD_TOO_LARGE',
      `The event takes ${size} bytes as a record, and the stream takes ${limit}. Publish a reference to the data, or raise the ` +
        'maximum record size of the stream (UpdateMaxRecordSize, up to 10 MiB) and start the engine again.',
      options,
    );
    this.size = size;
    this.limit = limit;
  }
}

/** What AWS calls being asked too often, and what is worth trying again in a while. */
const throttles = new Set([
  'ProvisionedThroughputExceededException',
  'LimitExceededException',
  'ThrottlingException',
  'Throttling',
  'RequestLimitExceeded',
  'TooManyRequestsException',
  'SlowDown',
  'KMSThrottlingException',
]);
const invalid = new Set(['InvalidArgumentException', 'ValidationException']);
const permanent = new Set([
  ...invalid,
  'ResourceNotFoundException',
  'AccessDeniedException',
  'UnrecognizedClientException',
  'InvalidSignatureException',
  'ExpiredTokenException',
  'IncompleteSignature',
  'MissingAuthenticationTokenException',
  'CredentialsProviderError',
  'KMSAccessDeniedException',
  'KMSDisabledException',
  'KMSInvalidStateException',
  'KMSNotFoundException',
  'KMSOptInRequired',
]);

export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}

/** True where the server asks us to slow down. */
export function isThrottle(error: unknown): boolean {
  return throttles.has(nameOf(error));
}

/** True where the server does not take what it was given. */
export function isInvalid(error: unknown): boolean {
  return invalid.has(nameOf(error));
}

/** True where trying the same again is of no use. */
export function isPermanent(error: unknown): boolean {
  return permanent.has(nameOf(error));
}

/** Name and message of whatever the client gave, without the password of a URL in it. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return maskUrl(String(error));
  const name = error.name === 'Error' ? '' : `${error.name}: `;
  return maskUrl(withoutRequest(`${name}${error.message}`));
}

/** AWS says of a wrong signature what it should have been made of: the whole request, with the token of the session. */
function withoutRequest(text: string): string {
  const at = text.indexOf('The Canonical String');
  return at === -1 ? text : text.slice(0, at).trimEnd();
}

/** Takes the request out of what the server said; the error becomes the cause of ours, which people log. */
export function hideRequest(error: unknown): unknown {
  if (!(error instanceof Error) || !error.message.includes('The Canonical String')) return error;
  error.message = withoutRequest(error.message);
  error.stack = withoutRequest(error.stack ?? '');
  return error;
}

/** The typed error for a call that a subscription needs. */
export function callError(what: string, error: unknown): KinesisConnectionError {
  const hint = isThrottle(error)
    ? 'Too many ask at once: subscribe later, or in fewer processes at a time.'
    : hintFor(error);
  return new KinesisConnectionError(`Cannot ${what}: ${messageOf(error)}. ${hint}`, { cause: error });
}

/** The typed error for what a checkpoint store said, or that it said nothing. */
export function storeError(error: unknown): KinesisConnectionError {
  return new KinesisConnectionError(
    `The checkpoint store failed: ${messageOf(error)}. Check that it can be reached from here.`,
    { cause: error },
  );
}

/** The typed error for a group whose stream is gone, while another of its name has come. */
export function streamReplacedError(name: string): KinesisConnectionError {
  return new KinesisConnectionError(
    `The stream of the group "${name}" was deleted and made again while this engine ran. Stop the engine and start it again.`,
  );
}

/** The typed error for what the server, or the client, said to a publish. */
export function publishError(error: unknown, topic: string, engine: string): PublishError {
  return new PublishError(`Kinesis did not accept the event: ${messageOf(error)}. ${advice(error)}`, {
    cause: error,
    topic,
    engine,
  });
}

function advice(error: unknown): string {
  if (isThrottle(error)) {
    return 'The shards of the stream take no more: add shards, spread the keys, or publish less at once.';
  }
  const name = nameOf(error);
  if (name === 'ResourceNotFoundException') return 'The stream is gone: start the engine again to create it.';
  if (isInvalid(error)) return 'Check the event against the limits of the stream.';
  if (isPermanent(error))
    return 'Check the credentials, and that they allow kinesis:PutRecords on the stream.';
  return 'Publish again: an event that is published twice keeps its id only where you give it one.';
}

function hintFor(error: unknown): string {
  return isPermanent(error)
    ? 'Check region, credentials, and what they allow on the stream (see "Permissions" in the README).'
    : 'Check region and endpoint, and that Kinesis can be reached from here.';
}

/** The typed error for a start that failed. */
export function connectionError(error: unknown, streamName: string, engine: string): KinesisConnectionError {
  const hint = isThrottle(error)
    ? 'Try again later; if it is a limit of the account, ask for fewer shards, or AWS for a higher limit.'
    : hintFor(error);
  return new KinesisConnectionError(
    `The stream "${streamName}" could not be opened: ${messageOf(error)}. ${hint}`,
    { cause: error, engine },
  );
}
