import { PolybusError, PublishError, RecordTooLargeError } from '@polybus/core';
import type { PolybusErrorOptions } from '@polybus/core/engine';
import { maskUrl } from '@polybus/core/engine-kit';

/** Kinesis cannot be reached, denies access, or does not create the stream. `cause` is the error of the client. */
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

/** The errors of AWS for too many requests. A later retry may succeed. */
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

/** True if the server throttles requests. */
export function isThrottle(error: unknown): boolean {
  return throttles.has(nameOf(error));
}

/** True if the server refuses the content of a request. */
export function isInvalid(error: unknown): boolean {
  return invalid.has(nameOf(error));
}

/** True if a retry of the same request cannot succeed. */
export function isPermanent(error: unknown): boolean {
  return permanent.has(nameOf(error));
}

/** Name and message of an error of the client, with passwords in URLs masked and without the last full stop. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return maskUrl(String(error));
  const name = error.name === 'Error' ? '' : `${error.name}: `;
  return maskUrl(withoutRequest(`${name}${error.message.trim()}`)).replace(/\.$/, '');
}

/** For a wrong signature, AWS answers with the text to sign: the whole request, with the session token. */
function withoutRequest(text: string): string {
  const at = text.indexOf('The Canonical String');
  return at === -1 ? text : text.slice(0, at).trimEnd();
}

/**
 * Removes the request from an error of a server, because the error becomes the `cause` of our error, which applications log. The client of
 * AWS attaches the response, whose body refers to the request with its session token and payload. The client of Redis attaches the
 * command, whose arguments contain the password.
 */
export function hideRequest(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const answered = error as { $response?: { body?: unknown }; command?: { name?: unknown } };
  if (answered.$response !== undefined) delete answered.$response.body;
  if (answered.command !== undefined) answered.command = { name: answered.command.name };
  if (!error.message.includes('The Canonical String')) return error;
  error.message = withoutRequest(error.message);
  error.stack = withoutRequest(error.stack ?? '');
  return error;
}

/** The error for a failed call that a subscription needs. */
export function callError(call: string, error: unknown): KinesisConnectionError {
  const hint = isThrottle(error)
    ? 'Too many requests at the same time: subscribe later, or in fewer processes at a time.'
    : hintFor(error);
  return new KinesisConnectionError(`Cannot ${call}: ${messageOf(error)}. ${hint}`, { cause: error });
}

/** The error for a checkpoint store that failed or did not answer. */
export function storeError(error: unknown): KinesisConnectionError {
  return new KinesisConnectionError(
    `The checkpoint store failed: ${messageOf(error)}. Check its address and credentials, and that this host can reach it.`,
    { cause: hideRequest(error) },
  );
}

/** The error for a group whose stream was replaced by another of the same name. */
export function streamReplacedError(name: string): KinesisConnectionError {
  return new KinesisConnectionError(
    `The stream of the group "${name}" was deleted and created again. The engine continues when it finds the new stream; if it does not, start the engine again.`,
  );
}

/** The error for a publish that the server or the client refused. */
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
  if (name === 'ResourceNotFoundException')
    return 'The stream is gone: create it again, or start the engine again, which creates it.';
  if (isExpired(error)) return renewal;
  if (isInvalid(error)) return 'Check the event against the limits of the stream.';
  if (isPermanent(error))
    return 'Check the credentials, and that they allow kinesis:PutRecords on the stream.';
  return 'Publish again. Set the id of the event if both attempts must have the same id.';
}

const isExpired = (error: unknown): boolean => nameOf(error) === 'ExpiredTokenException';
const renewal =
  'Configure new credentials, or configure none: the client then finds credentials by itself, and renews them.';

/** The code of Node.js for a TLS connection to a server that does not use TLS. */
const noTlsCode = 'EPROTO';

function hintFor(error: unknown): string {
  if ((error as { code?: unknown } | undefined)?.code === noTlsCode)
    return 'The endpoint does not use TLS on this port: if this is intended, begin the endpoint with http://.';
  if (isExpired(error)) return renewal;
  return isPermanent(error)
    ? 'Check the region, the credentials, and their permissions on the stream (see "Permissions" in the README).'
    : 'Check the region and the endpoint, and that this host can reach Kinesis.';
}

/** The error for a failed start. */
export function connectionError(error: unknown, streamName: string, engine: string): KinesisConnectionError {
  const hint = isThrottle(error)
    ? 'Try again later. If it is a limit of the account, configure fewer shards, or request a higher limit from AWS.'
    : hintFor(error);
  return new KinesisConnectionError(
    `The stream "${streamName}" could not be opened: ${messageOf(error)}. ${hint}`,
    { cause: error, engine },
  );
}

/** The error of an event that is larger than the stream accepts. */
export function tooLargeError(
  size: number,
  limit: number,
  options: PolybusErrorOptions,
): RecordTooLargeError {
  return new RecordTooLargeError(
    `The event takes ${size} bytes as a record, and the stream takes ${limit}. Publish a reference to the data, or raise the ` +
      'maximum record size of the stream (UpdateMaxRecordSize, up to 10 MiB) and start the engine again.',
    { size, limit, ...options },
  );
}
