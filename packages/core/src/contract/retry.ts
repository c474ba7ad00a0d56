/** How many attempts a handler gets at an event, and how long the engine waits between two of them. */
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
