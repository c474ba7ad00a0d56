import { longestTimerMs } from '../../contract/timer-limit.ts';
import {
  type BackoffOptions,
  type RetryOptions,
  type RetryPolicy,
  defaultRetry,
} from '../../contract/retry.ts';
import { InvalidOptionError } from '../../errors/errors.ts';
import { type OptionNames, assertOptionNames } from './call-options.ts';

const retryNames = {
  attempts: true,
  backoff: true,
  shouldRetry: true,
} satisfies OptionNames<RetryOptions>;
const backoffNames = {
  initialMs: true,
  maxMs: true,
  factor: true,
  jitter: true,
} satisfies OptionNames<BackoffOptions>;

/**
 * Validates the option `retry` and sets its defaults.
 *
 * @throws {@link InvalidOptionError} if it is invalid.
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
  if (options !== false && options !== undefined)
    assertOptionNames('subscribe', options, retryNames, 'retry.');
  assertOptionNames('subscribe', backoff, backoffNames, 'retry.backoff.');
  if (shouldRetry !== undefined && typeof shouldRetry !== 'function') {
    throw new InvalidOptionError('retry.shouldRetry', shouldRetry, 'a function of the error');
  }
  const jitter = backoff.jitter ?? defaultRetry.jitter;
  if (jitter !== 'full' && jitter !== 'none') {
    throw new InvalidOptionError('retry.backoff.jitter', jitter, '"full" or "none"');
  }
  return {
    attempts: atLeast('retry.attempts', attempts ?? defaultRetry.attempts, 1, { isWhole: true }),
    initialMs: atLeast('retry.backoff.initialMs', backoff.initialMs ?? defaultRetry.initialMs, 0, {
      most: longestTimerMs,
    }),
    maxMs: atLeast('retry.backoff.maxMs', backoff.maxMs ?? defaultRetry.maxMs, 0, { most: longestTimerMs }),
    factor: atLeast('retry.backoff.factor', backoff.factor ?? defaultRetry.factor, 1),
    jitter,
    shouldRetry,
  };
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
