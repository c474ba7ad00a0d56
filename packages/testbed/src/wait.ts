/** What {@link waitFor} may be told besides what to wait for. */
export interface WaitOptions {
  /** How long to go on trying, in milliseconds. */
  readonly timeoutMs: number;
  /** Pause between two attempts, in milliseconds (default 25). */
  readonly intervalMs?: number;
  /** Asked before each attempt; an error ends the wait at once, with that error. */
  readonly giveUp?: () => Promise<Error | undefined> | Error | undefined;
}

/** A condition that did not come about in time. `cause` is what the last attempt failed with, if it failed. */
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
 * Tries until `attempt` gives something other than `undefined` or `false`, and returns that. An attempt that throws counts
 * as "not yet".
 *
 * @throws WaitTimeoutError when the time is up, saying `what` was waited for and why the last attempt failed
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

/** Resolves with `work`'s result, or rejects after `timeoutMs` saying `what` took too long. The work itself goes on. */
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
