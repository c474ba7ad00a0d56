/** The promise's result, or an error once the time is over or the signal aborts. The work itself goes on. */
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
    // Always listened to: a failure of what nobody waits for any more would end the process.
    work.then(resolve, reject).finally(unlink);
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}
