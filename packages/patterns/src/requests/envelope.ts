import { type Event, causedBy } from '@polybus/core';
import type { RequestFailure } from '../errors.ts';

/** The metadata of a request. */
export interface RequestMetadata {
  /** The topic of the reply. */
  readonly replyto: string;
  /** Who waits for the reply: all requesters read the replies of a topic. */
  readonly requesterid: string;
}

/** The longest message of an error that a reply carries, so that an error never makes it too large for the broker. */
const longestMessage = 2000;

/** Returns the metadata of a request, or undefined for an event that nobody waits for. */
export function requestOf({ metadata }: Event): RequestMetadata | undefined {
  const { replyto, requesterid } = metadata;
  return typeof replyto === 'string' && typeof requesterid === 'string'
    ? { replyto, requesterid }
    : undefined;
}

/** Returns the metadata of the reply to a request. The id of the request is its `causationid`. */
export function replyMetadata(
  request: Event,
  requesterid: string,
  replyerror?: RequestFailure,
): Readonly<Record<string, unknown>> {
  return { ...causedBy(request), requesterid, ...(replyerror === undefined ? {} : { replyerror }) };
}

/** Returns the parts of any thrown value that a requester may learn. */
export function failureOf(error: unknown): RequestFailure {
  if (!(error instanceof Error)) return { name: 'Error', message: textOf(String(error)) };
  const { code } = error as { code?: unknown };
  return {
    name: textOf(error.name),
    message: textOf(error.message),
    ...(typeof code === 'string' ? { code: textOf(code) } : {}),
  };
}

/** Returns the failure that a reply carries, or undefined if the request succeeded. */
export function failureIn({ metadata: { replyerror } }: Event): RequestFailure | undefined {
  if (typeof replyerror !== 'object' || replyerror === null) return undefined;
  const { name, message, code } = replyerror as Record<string, unknown>;
  return {
    name: typeof name === 'string' ? name : 'Error',
    message: typeof message === 'string' ? message : '',
    ...(typeof code === 'string' ? { code } : {}),
  };
}

function textOf(text: unknown): string {
  const known = typeof text === 'string' ? text : '';
  return known.slice(0, longestMessage).toWellFormed();
}
