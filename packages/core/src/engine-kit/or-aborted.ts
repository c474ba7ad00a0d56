import { onAbort } from './on-abort.ts';

/** Settles as the work does, or rejects with the reason of the signal if that aborts first. The work itself continues. */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const unlink = onAbort(signal, () => reject(signal.reason as Error));
    work.then(resolve, reject).finally(unlink);
  });
}

/**
 * Resolves with true if the work settles within the timeout in milliseconds and before the signal aborts, whether it resolves or
 * rejects.
 */
export function settlesWithin(
  work: Promise<unknown>,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const isOver = (): void => resolve(false);
    const timer = setTimeout(isOver, timeoutMs);
    const unlink = onAbort(signal, isOver);
    const settled = (): void => {
      clearTimeout(timer);
      unlink();
      resolve(true);
    };
    work.then(settled, settled);
  });
}
