/** Makes waiting conditions check again at once instead of at their next poll. */
export class Wakeup {
  readonly #waiting = new Set<() => void>();

  wake(): void {
    for (const resolve of this.#waiting) resolve();
  }

  /** Resolves at the next `wake`, or after the timeout. */
  next(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(end);
        resolve();
      };
      const timer = setTimeout(end, timeoutMs);
      this.#waiting.add(end);
    });
  }
}

/** A condition that did not become true before its deadline. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

const longestPollMs = 50;

/** Waits until the condition holds. Rejects with a message that names it if the deadline passes first. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
  deadlineMs: number,
  wakeup: Wakeup = new Wakeup(),
): Promise<void> {
  const end = performance.now() + deadlineMs;
  for (let pollMs = 1; !(await condition()); pollMs = Math.min(pollMs * 2, longestPollMs)) {
    if (performance.now() > end) throw new DeadlineError(`${deadlineMs} ms passed without: ${textOf(what)}`);
    await wakeup.next(pollMs);
  }
}

/** Waits for the promise. Rejects with a message that names it if the deadline passes first. */
export async function within<T>(
  promise: PromiseLike<T>,
  what: string | (() => string),
  deadlineMs: number,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const fail = (): void => reject(new DeadlineError(`${deadlineMs} ms passed without: ${textOf(what)}`));
    timer = setTimeout(fail, deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function textOf(what: string | (() => string)): string {
  return typeof what === 'string' ? what : what();
}

/** Waits for this many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
