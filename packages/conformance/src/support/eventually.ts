/** Lets waiters look again at once, in place of waiting for their next poll. */
export class Wakeup {
  readonly #waiting = new Set<() => void>();

  wake(): void {
    for (const resolve of this.#waiting) resolve();
  }

  /** Resolves at the next `wake`, or when the time is over. */
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

/** A condition that did not come true in time. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

const longestPollMs = 50;

/** Waits until the condition holds; rejects with what was waited for when the deadline passes first. */
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

/** The promise, or a rejection that names it when the deadline passes first. */
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

/** Lets everything else run that can run now, so many times. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
