import type { RetryOptions, SubscribeOptions } from '@polybus/core';

/** A buffer so large that an engine which drops events when a buffer is full drops none of a case. */
export const roomy: SubscribeOptions = { bufferSize: 10_000 };

/** Retries with this many attempts and 1 ms between them. */
export function attempts(count: number): RetryOptions {
  return { attempts: count, backoff: { initialMs: 1, maxMs: 1, jitter: 'none' } };
}

/** An `UnrecoverableError` as another installed copy of core makes it: it has the same code and brand but is no instance of this class. */
export function unrecoverableOfAnotherCopy(): Error {
  const error = Object.assign(new Error('never'), { code: 'UNRECOVERABLE' });
  return Object.defineProperty(error, Symbol.for('polybus.error'), { value: true });
}
