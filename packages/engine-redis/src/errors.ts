import { PolybusError, type PolybusErrorOptions, PublishError } from '@polybus/core';
import { maskUrl } from '@polybus/core/engine-kit';

/** Redis cannot be reached, or does not let us in. `cause` is the client's error, without what the command held. */
export class RedisConnectionError extends PolybusError {
  constructor(message: string, options: PolybusErrorOptions = {}) {
    super('CONNECTION_FAILED', message, options);
  }
}

/** Redis did not do what a subscription, or a question about one, needs. `cause` is its answer, without what the command held. */
export class RedisCommandError extends PolybusError {
  constructor(message: string, options: PolybusErrorOptions = {}) {
    super('COMMAND_FAILED', message, options);
  }
}

/** What a server says where the user or the password is wrong, or where it may not do this. */
const refusal = /^(?:WRONGPASS|NOAUTH|NOPERM)|invalid password|invalid username/i;

/** True where trying again with the same user and password is of no use. */
export function isRefusal(error: unknown): boolean {
  return refusal.test(messageOf(error));
}

/** True for what the server answered; false for what the client found out about the connection. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && !isRefusal(error);
}

/** True where the server has answered, be it with a refusal: the connection works. */
export function isAnswer(error: unknown): boolean {
  const origin = error instanceof RedisConnectionError ? error.cause : error;
  return origin instanceof Error && origin.name === 'ReplyError';
}

/** True for an answer of the server with this code, also where the client has put words of its own before it. */
export function isError(error: unknown, code: string): boolean {
  return error instanceof Error && error.message.includes(code);
}

/** True if the group, or its stream, does not exist. */
export function isGroupMissing(error: unknown): boolean {
  return isError(error, 'NOGROUP') || isError(error, 'no such key');
}

/** Where the client's errors keep the errors that they come from. */
const origins = ['cause', 'lastNodeError', 'previousErrors', 'errors'] as const;

type ClientError = { command?: { name?: unknown } } & { [origin in (typeof origins)[number]]?: unknown };

/**
 * An error of the client as a cause: it carries the command with its arguments, which may be a password or a payload, and so
 * do those that it comes from.
 */
export function withoutArguments(error: unknown): unknown {
  strip(error, new Set());
  return error;
}

function strip(error: unknown, seen: Set<unknown>): void {
  if (typeof error !== 'object' || error === null || seen.has(error)) return;
  seen.add(error);
  if (Array.isArray(error)) {
    for (const one of error) strip(one, seen);
    return;
  }
  const about = error as ClientError;
  if ('command' in about) about.command = { name: about.command?.name };
  for (const origin of origins) strip(about[origin], seen);
}

/** The message of whatever the client gave, without the password of a URL in it. */
export function messageOf(error: unknown): string {
  // A cluster of which no node can be asked: the last node said why.
  const { lastNodeError } = (error ?? {}) as ClientError;
  if (lastNodeError instanceof Error) return messageOf(lastNodeError);
  return maskUrl(error instanceof Error ? error.message : String(error));
}

/** What the server said to a command of ours, or how its connection failed, as a typed error about this; anything else as it is. */
export function commandError(error: unknown, about: Pick<PolybusErrorOptions, 'topic' | 'engine'>): unknown {
  if (error instanceof RedisConnectionError)
    return new RedisConnectionError(error.message, { cause: error.cause, ...about });
  if (!isReply(error)) return error;
  const text = messageOf(error);
  const hint = advice(text) ?? 'Look up what the server means by that; the engine tries no further.';
  return new RedisCommandError(`Redis did not accept a command: ${text}. ${hint}`, {
    cause: withoutArguments(error),
    ...about,
  });
}

/** The typed error for what the server, or the client, said to a publish. */
export function publishError(error: unknown, topic: string, engine: string): PublishError {
  const text = messageOf(error);
  return new PublishError(`Redis did not accept the event: ${text}. ${advice(text) ?? again}`, {
    cause: withoutArguments(error),
    topic,
    engine,
  });
}

const again = 'Publish again: an event that is published twice keeps its id only where you give it one.';

function advice(text: string): string | undefined {
  if (text.startsWith('OOM')) {
    return 'The server is full: raise its maxmemory, or keep less (maxLen, retentionDays).';
  }
  if (refusal.test(text)) return 'Check the user, the password, and what the server lets that user do.';
  if (text.startsWith('READONLY')) {
    return 'The server is a replica, perhaps after a failover: publish again once the new primary is found.';
  }
  if (text.startsWith('MISCONF'))
    return 'The server cannot save to its disk, and takes no writes until it can.';
  if (text.startsWith('WRONGTYPE')) {
    return 'Under the name of this topic there is something else: give the engine a keyPrefix of its own.';
  }
  return undefined;
}
