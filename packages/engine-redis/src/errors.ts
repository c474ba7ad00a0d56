import { PolybusError, type PolybusErrorOptions, PublishError } from '@polybus/core';
import { maskUrl } from '@polybus/core/config';

/** Redis cannot be reached, or does not let us in. `cause` is the client's error, without what the command held. */
export class RedisConnectionError extends PolybusError {
  constructor(message: string, options: PolybusErrorOptions = {}) {
    super('CONNECTION_FAILED', message, options);
  }
}

/** What a server says where the user or the password is wrong, or where it may not do this. */
const refusal = /^(?:WRONGPASS|NOAUTH|NOPERM)|invalid password|invalid username/i;

/** True where trying again with the same user and password is of no use. */
export function isRefusal(error: unknown): boolean {
  return refusal.test(messageOf(error));
}

/** An error of the client as a cause: it carries the command with its arguments, which may be a password or a payload. */
export function withoutArguments(error: unknown): unknown {
  if (typeof error === 'object' && error !== null && 'command' in error) {
    const { name } = (error.command ?? {}) as { name?: unknown };
    error.command = { name };
  }
  return error;
}

/** The message of whatever the client gave, without the password of a URL in it. */
export function messageOf(error: unknown): string {
  return maskUrl(error instanceof Error ? error.message : String(error));
}

/** The typed error for what the server, or the client, said to a publish. */
export function publishError(error: unknown, topic: string, engine: string): PublishError {
  const text = messageOf(error);
  return new PublishError(`Redis did not accept the event: ${text}. ${advice(text)}`, {
    cause: withoutArguments(error),
    topic,
    engine,
  });
}

function advice(text: string): string {
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
  return 'Publish again: an event that is published twice keeps its id only where you give it one.';
}
