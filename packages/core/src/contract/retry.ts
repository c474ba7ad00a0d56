import { assertRetryNames } from '../engine/call-options.ts';
import { InvalidOptionError, PolybusError } from '../errors/errors.ts';
import { longestTimerMs } from './timer-limit.ts';

/** How often, and how soon, a failed event is handed to its handler again. */
export interface RetryOptions {
  /** Attempts in all, the first included; at least 1. Default 5. */
  readonly attempts?: number | undefined;
  readonly backoff?: BackoffOptions | undefined;
  /** Return false to give up at once. Default: retry everything but `UnrecoverableError` and `SchemaValidationError`. */
  readonly shouldRetry?: ((error: unknown) => boolean) | undefined;
}

/**
 * Exponential backoff with full jitter: before attempt n + 1 a random time between 0 and
 * `min(maxMs, initialMs * factor ** (n - 1))`. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export interface BackoffOptions {
  /** Milliseconds. Default 100. */
  readonly initialMs?: number | undefined;
  /** Milliseconds. Default 30 000. */
  readonly maxMs?: number | undefined;
  /** Default 2. */
  readonly factor?: number | undefined;
  /** `full` spreads the retries of many consumers; `none` waits the whole time. Default `full`. */
  readonly jitter?: 'full' | 'none' | undefined;
}

/** A retry policy with every default filled in. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly initialMs: number;
  readonly maxMs: number;
  readonly factor: number;
  readonly jitter: 'full' | 'none';
  readonly shouldRetry: ((error: unknown) => boolean) | undefined;
}

/**
 * Fills in the defaults.
 *
 * @throws {@link InvalidOptionError}
 */
export function resolveRetry(options: RetryOptions | false | undefined): RetryPolicy {
  if (options !== false && options !== undefined && (typeof options !== 'object' || options === null)) {
    throw new InvalidOptionError(
      'retry',
      options,
      'an object such as { attempts: 5 }, or false for one attempt',
    );
  }
  const { attempts, backoff = {}, shouldRetry } = options === false ? { attempts: 1 } : (options ?? {});
  if (typeof backoff !== 'object' || backoff === null) {
    throw new InvalidOptionError('retry.backoff', backoff, 'an object with initialMs, maxMs, factor, jitter');
  }
  assertRetryNames(options === false || options === undefined ? {} : options, backoff);
  if (shouldRetry !== undefined && typeof shouldRetry !== 'function') {
    throw new InvalidOptionError('retry.shouldRetry', shouldRetry, 'a function of the error');
  }
  const jitter = backoff.jitter ?? 'full';
  if (jitter !== 'full' && jitter !== 'none') {
    throw new InvalidOptionError('retry.backoff.jitter', jitter, '"full" or "none"');
  }
  return {
    attempts: atLeast('retry.attempts', attempts ?? 5, 1, { isWhole: true }),
    initialMs: atLeast('retry.backoff.initialMs', backoff.initialMs ?? 100, 0, { most: longestTimerMs }),
    maxMs: atLeast('retry.backoff.maxMs', backoff.maxMs ?? 30_000, 0, { most: longestTimerMs }),
    factor: atLeast('retry.backoff.factor', backoff.factor ?? 2, 1),
    jitter,
    shouldRetry,
  };
}

/** True where another attempt is due after attempt number `attempt` (from 1) failed with `error`. */
export function isRetryable(policy: RetryPolicy, attempt: number, error: unknown): boolean {
  if (attempt >= policy.attempts || isUnrecoverable(error)) return false;
  try {
    return policy.shouldRetry === undefined || policy.shouldRetry(error);
  } catch {
    // It could not say no.
    return true;
  }
}

/** Milliseconds to wait after attempt number `attempt` (from 1) failed. */
export function backoffMs(
  policy: Pick<RetryPolicy, 'initialMs' | 'maxMs' | 'factor' | 'jitter'>,
  attempt: number,
  random: () => number = Math.random,
): number {
  // Kept finite: zero times infinity is no time at all.
  const growth = Math.min(policy.factor ** (attempt - 1), Number.MAX_VALUE);
  const ceiling = Math.min(policy.maxMs, policy.initialMs * growth);
  return policy.jitter === 'full' ? random() * ceiling : ceiling;
}

function isUnrecoverable(error: unknown): boolean {
  // By code, not by class: a handler may have got its UnrecoverableError from another copy of core. A payload that does not
  // fit its schema will not fit it the next time either.
  try {
    const code = PolybusError.is(error) ? error.code : undefined;
    return code === 'UNRECOVERABLE' || code === 'SCHEMA_VALIDATION';
  } catch {
    // Whatever it is, it throws while it is read.
    return false;
  }
}

function atLeast(
  option: string,
  value: unknown,
  least: number,
  { most = Number.MAX_VALUE, isWhole = false }: { most?: number; isWhole?: boolean } = {},
): number {
  if (typeof value === 'number' && value >= least && value <= most && (!isWhole || Number.isInteger(value)))
    return value;
  const upTo = most === Number.MAX_VALUE ? '' : ` and at most ${most}`;
  throw new InvalidOptionError(
    option,
    value,
    `a ${isWhole ? 'whole ' : ''}number of at least ${least}${upTo}`,
  );
}
