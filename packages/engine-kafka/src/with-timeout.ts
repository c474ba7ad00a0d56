/** The result of the work, or an error after the timeout or if the signal aborts. The work itself continues. */
export function withTimeout<T>(work: Promise<T>, timeoutMs: number, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => {
        unlink();
        reject(new Error(`no answer within ${Math.max(0, Math.round(timeoutMs))} ms`));
      },
      Math.max(0, timeoutMs),
    );
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    };
    const unlink = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    // Handled even after the timeout, because an unhandled rejection ends the process.
    work.then(resolve, reject).finally(unlink);
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}
