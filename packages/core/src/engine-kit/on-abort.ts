/** What is to be called for each signal that somebody waits for, by the function that takes it back. */
const waiting = new WeakMap<AbortSignal, Map<() => void, () => void>>();

/**
 * Calls back once when the signal aborts; at once if it is aborted already. However many callbacks wait for one signal, it
 * has one listener, so that hundreds of publishes may share a signal without Node's warning of a leak.
 *
 * @returns how to take the callback back; may be called at any time and more than once.
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return nothing;
  if (signal.aborted) {
    callback();
    return nothing;
  }
  const callbacks = waiting.get(signal) ?? listenTo(signal);
  const takeBack = (): void => {
    // The listener goes with the last callback: a signal that has one is kept in memory until it aborts.
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
      // As with listeners of their own: the others are called, and the error is the process's.
      process.nextTick(() => {
        throw error;
      });
    }
  }
}

function nothing(): void {}
