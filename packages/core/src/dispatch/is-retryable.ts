import type { RetryPolicy } from '../contract/retry.ts';
import { PolybusError } from '../errors/polybus-error.ts';

/** True if another attempt is due after attempt number `attempt` (from 1) failed with `error`. */
export function isRetryable(policy: RetryPolicy, attempt: number, error: unknown): boolean {
  if (attempt >= policy.attempts || isUnrecoverable(error)) return false;
  try {
    return policy.shouldRetry === undefined || policy.shouldRetry(error);
  } catch {
    // A predicate that throws has not refused.
    return true;
  }
}

function isUnrecoverable(error: unknown): boolean {
  // By code, not by class: the error may come from another copy of core. A payload that does not fit its schema will not fit it at
  // the next attempt either.
  try {
    const code = PolybusError.is(error) ? error.code : undefined;
    return code === 'UNRECOVERABLE' || code === 'SCHEMA_VALIDATION';
  } catch {
    // The thrown value throws while it is read.
    return false;
  }
}
