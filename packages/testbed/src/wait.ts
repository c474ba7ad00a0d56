/** The options of {@link waitFor}. */
export interface WaitOptions {
  /** How long to try, in milliseconds. */
  readonly timeoutMs: number;
  /** Pause between two attempts, in milliseconds (default 25). */
  readonly intervalMs?: number;
  /** Called before each attempt. If it returns an error, the wait ends with that error. */
  readonly giveUp?: () => Promise<Error | undefined> | Error | undefined;
}

/** A condition was not met in time. `cause` is the error of the last attempt, if it failed. */
export class WaitTimeoutError extends Error {
  constructor(what: string, timeoutMs: number, cause: unknown) {
    const last = cause instanceof Error ? `; the last attempt failed: ${cause.message}` : '';
    super(`waited ${String(timeoutMs)} ms for ${what}${last}`, { cause });
    this.name = 'WaitTimeoutError';
  }
}

/** Resolves after `ms` milliseconds. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/**
 * Calls `attempt` until it returns a value other than `undefined` or `false`, and returns that value. An attempt that throws is
 * repeated.
 *
 * @throws WaitTimeoutError after the timeout, with `what` was waited for and the error of the last attempt
 */
export async function waitFor<T>(
  what: string,
  attempt: () => Promise<T | undefined | false> | T | undefined | false,
  options: WaitOptions,
): Promise<T> {
  const { timeoutMs, intervalMs = 25, giveUp } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const hopeless = await giveUp?.();
    if (hopeless !== undefined) throw hopeless;
    let cause: unknown;
    try {
      const result = await attempt();
      if (result !== undefined && result !== false) return result;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= deadline) throw new WaitTimeoutError(what, timeoutMs, cause);
    await delay(intervalMs);
  }
}

/** Resolves with the result of `work`, or rejects after `timeoutMs` with a message that names `what`. The work itself continues. */
export async function withDeadline<T>(what: string, timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new WaitTimeoutError(what, timeoutMs, undefined));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
