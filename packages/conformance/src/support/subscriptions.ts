import type { RetryOptions, SubscribeOptions } from '@polybus/core';

/** For subscriptions that may fall behind: an engine that drops what its buffer cannot take drops nothing of a case. */
export const roomy: SubscribeOptions = { bufferSize: 10_000 };

/** So many attempts, without a wait worth mentioning between them. */
export function attempts(count: number): RetryOptions {
  return { attempts: count, backoff: { initialMs: 1, maxMs: 1, jitter: 'none' } };
}

/** What `new UnrecoverableError()` of another installed copy of core is to this one: the same code and mark, no `instanceof`. */
export function unrecoverableOfAnotherCopy(): Error {
  const error = Object.assign(new Error('never'), { code: 'UNRECOVERABLE' });
  return Object.defineProperty(error, Symbol.for('polybus.error'), { value: true });
}
