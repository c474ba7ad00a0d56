/** The callbacks of each signal, by the function that removes them. */
const waiting = new WeakMap<AbortSignal, Map<() => void, () => void>>();

/**
 * Calls the callback once when the signal aborts, and at once if it is already aborted. All callbacks of a signal share one listener, so
 * that hundreds of publishes can share a signal without Node.js's warning about a leak.
 *
 * @returns A function that removes the callback. It can be called at any time and more than once.
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return nothing;
  if (signal.aborted) {
    callback();
    return nothing;
  }
  const callbacks = waiting.get(signal) ?? listenTo(signal);
  const takeBack = (): void => {
    // The listener is removed with the last callback, because a signal with a listener stays in memory until it aborts.
    if (callbacks.delete(takeBack) && callbacks.size === 0 && waiting.delete(signal))
      signal.removeEventListener('abort', callAll);
  };
  callbacks.set(takeBack, callback);
  return takeBack;
}

function listenTo(signal: AbortSignal): Map<() => void, () => void> {
  const callbacks = new Map<() => void, () => void>();
  waiting.set(signal, callbacks);
  signal.addEventListener('abort', callAll, { once: true });
  return callbacks;
}

function callAll(this: AbortSignal): void {
  const callbacks = waiting.get(this);
  waiting.delete(this);
  for (const [takeBack, callback] of callbacks ?? []) {
    callbacks!.delete(takeBack);
    try {
      callback();
    } catch (error) {
      // As with separate listeners: the other callbacks run, and the error becomes an uncaught exception.
      process.nextTick(() => {
        throw error;
      });
    }
  }
}

function nothing(): void {}
