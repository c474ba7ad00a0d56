import * as fc from 'fast-check';
import { assert } from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { InvalidOptionError, UnrecoverableError } from '../../src/errors/errors.ts';
import { PolybusError } from '../../src/errors/polybus-error.ts';
import type { RetryOptions } from '../../src/contract/retry.ts';
import { retryDelayMs } from '../../src/engine-kit/backoff.ts';
import { isRetryable } from '../../src/dispatch/is-retryable.ts';
import { resolveRetry } from '../../src/engine/options/resolve-retry.ts';

describe('resolveRetry', () => {
  test('has the defaults of the contract', () => {
    const defaults = {
      attempts: 5,
      initialMs: 100,
      maxMs: 30_000,
      factor: 2,
      jitter: 'full',
      shouldRetry: undefined,
    };
    expect(resolveRetry(undefined)).toEqual(defaults);
    expect(resolveRetry({})).toEqual(defaults);
    expect(resolveRetry({ backoff: {} })).toEqual(defaults);
    expect(resolveRetry(false)).toEqual({ ...defaults, attempts: 1 });
  });

  test('keeps given values, including a wait of zero', () => {
    const shouldRetry = (): boolean => true;
    const backoff = { initialMs: 0, maxMs: 0, factor: 1, jitter: 'none' } as const;
    expect(resolveRetry({ attempts: 1, backoff, shouldRetry })).toEqual({
      attempts: 1,
      ...backoff,
      shouldRetry,
    });
  });

  test.each<[string, unknown]>([
    ['retry.attempts', { attempts: 0 }],
    ['retry.attempts', { attempts: 1.5 }],
    ['retry.attempts', { attempts: Infinity }],
    ['retry.attempts', { attempts: NaN }],
    ['retry.attempts', { attempts: '3' }],
    ['retry.backoff', { backoff: 100 }],
    ['retry.backoff', { backoff: null }],
    ['retry.backoff.initialMs', { backoff: { initialMs: -1 } }],
    ['retry.backoff.initialMs', { backoff: { initialMs: NaN } }],
    ['retry.backoff.maxMs', { backoff: { maxMs: Infinity } }],
    ['retry.backoff.maxMs', { backoff: { maxMs: '1s' } }],
    // A timer that is to wait longer than 2^31 - 1 ms does not wait at all.
    ['retry.backoff.maxMs', { backoff: { maxMs: 2 ** 31 } }],
    ['retry.backoff.initialMs', { backoff: { initialMs: 2 ** 31 } }],
    ['retry.backoff.factor', { backoff: { factor: 0.5 } }],
    ['retry.backoff.jitter', { backoff: { jitter: 'some' } }],
    ['retry.shouldRetry', { shouldRetry: true }],
  ])('refuses %s of %j', (option, options) => {
    expect(() => resolveRetry(options as RetryOptions)).toThrow(InvalidOptionError);
    expect(() => resolveRetry(options as RetryOptions)).toThrow(expect.objectContaining({ option }));
  });
});

describe('retryDelayMs', () => {
  test('doubles from initialMs up to maxMs', () => {
    const policy = resolveRetry({ backoff: { initialMs: 100, maxMs: 1000, jitter: 'none' } });
    expect([1, 2, 3, 4, 5, 6, 5000].map((attempt) => retryDelayMs(policy, attempt))).toEqual([
      100, 200, 400, 800, 1000, 1000, 1000,
    ]);
  });

  test('spreads full jitter evenly between 0 and the doubled time', () => {
    const policy = resolveRetry({});
    expect([0, 0.25, 0.999].map((random) => retryDelayMs(policy, 3, () => random))).toEqual([0, 100, 399.6]);
    const waits = Array.from({ length: 2000 }, () => retryDelayMs(policy, 1));
    expect(Math.min(...waits)).toBeLessThan(25);
    expect(Math.max(...waits)).toBeGreaterThan(75);
    expect(Math.max(...waits)).toBeLessThan(100);
  });

  test('never exceeds the longest time of a timer', () => {
    const ms = fc.double({ min: 0, max: 1e6, noNaN: true });
    const options = fc.record({
      initialMs: ms,
      maxMs: ms,
      factor: fc.double({ min: 1, max: 100, noNaN: true }),
      jitter: fc.constantFrom('full' as const, 'none' as const),
    });
    assert(
      fc.property(options, fc.integer({ min: 1, max: 5000 }), (backoff, attempt) => {
        const wait = retryDelayMs(resolveRetry({ backoff }), attempt);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThanOrEqual(backoff.maxMs);
      }),
    );
  });
});

describe('isRetryable', () => {
  test('is true until all attempts are used', () => {
    const policy = resolveRetry({ attempts: 3 });
    expect([1, 2, 3, 4].map((attempt) => isRetryable(policy, attempt, new Error('x')))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  test('is true for any thrown value except an UnrecoverableError', async () => {
    vi.resetModules();
    const copy = await import('../../src/errors/errors.ts');
    const policy = resolveRetry({ shouldRetry: () => true });
    for (const error of [new Error('x'), 'text', undefined, null, 7, new PolybusError('OTHER', 'x')]) {
      expect(isRetryable(policy, 1, error)).toBe(true);
    }
    expect(isRetryable(policy, 1, new UnrecoverableError('x'))).toBe(false);
    expect(copy.UnrecoverableError).not.toBe(UnrecoverableError);
    expect(isRetryable(policy, 1, new copy.UnrecoverableError('x'))).toBe(false);
  });

  test('is what shouldRetry returns for the error', () => {
    const shouldRetry = vi.fn<(error: unknown) => boolean>((error) => (error as Error).message === 'again');
    const policy = resolveRetry({ shouldRetry });
    expect(isRetryable(policy, 1, new Error('again'))).toBe(true);
    expect(isRetryable(policy, 1, new Error('stop'))).toBe(false);
    expect(shouldRetry).toHaveBeenCalledTimes(2);
    expect(isRetryable(policy, 5, new Error('again'))).toBe(false);
    expect(shouldRetry).toHaveBeenCalledTimes(2);
  });

  test('is true if shouldRetry throws', () => {
    const policy = resolveRetry({
      shouldRetry: () => {
        throw new Error('bug');
      },
    });
    expect(isRetryable(policy, 1, new Error('x'))).toBe(true);
  });
});
