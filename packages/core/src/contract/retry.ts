/** How many attempts a handler gets at an event, and how long the engine waits between two of them. */
export interface RetryOptions {
  /** The total number of attempts, including the first; at least 1. Default 5. */
  readonly attempts?: number | undefined;
  /** How long the engine waits between two attempts. Default: the defaults of its fields. */
  readonly backoff?: BackoffOptions | undefined;
  /**
   * Gets the error of a failed attempt. If it returns false, the event gets no more attempts. It is not called for an
   * `UnrecoverableError` or a `SchemaValidationError`, which are never retried. Default: retry every other error.
   */
  readonly shouldRetry?: ((error: unknown) => boolean) | undefined;
}

/**
 * Exponential backoff with full jitter. The delay before attempt n + 1 is a random time between 0 and
 * `min(maxMs, initialMs * factor ** (n - 1))`. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export interface BackoffOptions {
  /** The maximum delay before the second attempt, in milliseconds. Default 100. */
  readonly initialMs?: number | undefined;
  /** The maximum delay before any attempt, in milliseconds. Default 30 000. */
  readonly maxMs?: number | undefined;
  /** The factor by which the maximum delay grows after each attempt; at least 1. Default 2. */
  readonly factor?: number | undefined;
  /** `full`: a random delay up to the maximum delay, so that many consumers do not retry at the same time. `none`: always the maximum delay. Default `full`. */
  readonly jitter?: 'full' | 'none' | undefined;
}

/** A retry policy with all defaults set. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly initialMs: number;
  readonly maxMs: number;
  readonly factor: number;
  readonly jitter: 'full' | 'none';
  readonly shouldRetry: ((error: unknown) => boolean) | undefined;
}

/** The defaults that {@link RetryOptions} and {@link BackoffOptions} describe. */
export const defaultRetry: RetryPolicy = {
  attempts: 5,
  initialMs: 100,
  maxMs: 30_000,
  factor: 2,
  jitter: 'full',
  shouldRetry: undefined,
};
