import { PolybusError, PublishError } from '@polybus/core';
import type { PolybusErrorOptions } from '@polybus/core/engine';
import { maskUrl } from '@polybus/core/engine-kit';

/** Redis cannot be reached, or refuses the user. `cause` is the client's error, without the command's arguments. */
export class RedisConnectionError extends PolybusError {
  constructor(message: string, options: PolybusErrorOptions = {}) {
    super('CONNECTION_FAILED', message, options);
  }
}

/** Redis refused a command of a subscription, or of a question about subscriptions. `cause` is its error, without the command's arguments. */
export class RedisCommandError extends PolybusError {
  constructor(message: string, options: PolybusErrorOptions = {}) {
    super('COMMAND_FAILED', message, options);
  }
}

/** The server's errors if the user or the password is wrong. */
const wrongLogin = /^(?:WRONGPASS|NOAUTH)|invalid password|invalid username/i;
/** The server's errors if the user lacks a permission. Versions differ in what they say about a command of a script. */
const noPermission = /^NOPERM|ACL failure in script|user executing the script can't/i;

const isRefused = (text: string): boolean => wrongLogin.test(text) || noPermission.test(text);

/** True if another attempt with the same user and password would fail, too. */
export function isRefusal(error: unknown): boolean {
  return isRefused(messageOf(error));
}

/** True if the user lacks a permission. */
export function isForbidden(error: unknown): boolean {
  return noPermission.test(messageOf(error));
}

/** True for an error that the server returned, except for a refused login; false for an error of the connection. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && !wrongLogin.test(error.message);
}

/** True for any error that the server returned: the connection works. */
export function isAnswer(error: unknown): boolean {
  const origin = error instanceof RedisConnectionError ? error.cause : error;
  return origin instanceof Error && origin.name === 'ReplyError';
}

/** True for an error of the server with this code, also if the client has put text before it. */
export function isError(error: unknown, code: string): boolean {
  return error instanceof Error && error.message.includes(code);
}

/** True if the group, or its stream, does not exist. */
export function isGroupMissing(error: unknown): boolean {
  return isError(error, 'NOGROUP') || isError(error, 'no such key');
}

/**
 * What to check if there is no connection. A server without TLS does not answer the client's first TLS message, and a server with TLS
 * closes a connection that begins without TLS. A server that refuses the certificate of the client, or that gets none, may reset the
 * connection before the client has read why.
 */
export function connectionAdvice(error: unknown, usesTls: boolean, wasOpened: boolean): string {
  if (isRefusal(error)) return 'Check the user, the password, and the permissions of that user.';
  const general = 'Check that the server runs, and that url, user and password are correct.';
  if (wasOpened || isUnreachable(error)) return general;
  return usesTls
    ? `${general} The client connects with TLS: check that this port of the server uses TLS, that its certificate is valid, and, if the server requires it, that the certificate of the client is valid.`
    : `${general} The client connects without TLS: if this port of the server requires TLS, use rediss://.`;
}

/** True if no server accepted the connection, so that TLS cannot be the reason. */
function isUnreachable(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'].includes(code as string);
}

/** The properties of the client's errors with the errors that caused them. */
const origins = ['cause', 'lastNodeError', 'previousErrors', 'errors'] as const;

type ClientError = { command?: { name?: unknown } } & { [origin in (typeof origins)[number]]?: unknown };

/** Since Redis 7.2, the error for a missing permission names the user. */
const userName = /\bUser \S+ has no permissions/g;

function masked(text: string): string {
  return maskUrl(text).replace(userName, 'the user has no permissions');
}

/**
 * Removes the command's arguments and the user's name from an error of the client and from the errors that caused it: the arguments
 * may contain a password or a payload.
 */
export function withoutArguments(error: unknown): unknown {
  strip(error, new Set());
  return error;
}

function strip(error: unknown, seen: Set<unknown>): void {
  if (typeof error !== 'object' || error === null || seen.has(error)) return;
  seen.add(error);
  if (Array.isArray(error)) {
    for (const item of error) strip(item, seen);
    return;
  }
  const failed = error as ClientError;
  if ('command' in failed) failed.command = { name: failed.command?.name };
  if (error instanceof Error && error.message.search(userName) >= 0) {
    error.message = masked(error.message);
    error.stack = masked(error.stack ?? '');
  }
  for (const origin of origins) strip(failed[origin], seen);
}

/** The message of an error of the client, without the password of a URL and without the user's name. */
export function messageOf(error: unknown): string {
  // If no node of a cluster answers, the error of the last node is the reason.
  const { lastNodeError } = (error ?? {}) as ClientError;
  if (lastNodeError instanceof Error) return messageOf(lastNodeError);
  // Messages of ours continue after it.
  return masked(error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
}

/** The typed error for a refused command or a failed connection, with topic and engine. Returns any other error as it is. */
export function commandError(error: unknown, fields: Pick<PolybusErrorOptions, 'topic' | 'engine'>): unknown {
  if (error instanceof RedisConnectionError)
    return new RedisConnectionError(error.message, { cause: error.cause, ...fields });
  if (!isReply(error)) return error;
  const text = messageOf(error);
  const hint = advice(text) ?? 'Look up this error of the server; the engine does not try again.';
  return new RedisCommandError(`Redis did not accept a command: ${text}. ${hint}`, {
    cause: withoutArguments(error),
    ...fields,
  });
}

/** The typed error for a publish that the server refused or that the connection lost. */
export function publishError(error: unknown, topic: string, engine: string): PublishError {
  const text = messageOf(error);
  return new PublishError(`Redis did not accept the event: ${text}. ${advice(text) ?? again}`, {
    cause: withoutArguments(error),
    topic,
    engine,
  });
}

const again = 'Publish again: an event that is published twice keeps its id only if you set one.';

function advice(text: string): string | undefined {
  if (text.startsWith('OOM')) {
    return 'The server is full: raise its maxmemory, or keep fewer events (maxLen, retentionDays).';
  }
  if (isRefused(text)) return 'Check the user, the password, and the permissions of that user.';
  if (text.startsWith('READONLY')) {
    return 'The server is a replica, perhaps after a failover: publish again once the new primary is found.';
  }
  if (text.startsWith('MISCONF'))
    return 'The server cannot save to its disk, and accepts no writes until it can.';
  if (text.startsWith('WRONGTYPE')) {
    return 'The key of this topic contains another type of data: give the engine a keyPrefix of its own.';
  }
  return undefined;
}
