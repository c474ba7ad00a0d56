import { setTimeout } from 'node:timers/promises';
import { lendWorker } from '@polybus/core/engine';

/**
 * Waits.
 *
 * @throws the reason of the signal if it aborts first.
 */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(Math.ceil(ms), undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** Waits in a handler, whose worker other handlers can use meanwhile. */
export async function lendingWorker<T>(waiting: Promise<T>): Promise<T> {
  const takeBack = lendWorker();
  try {
    return await waiting;
  } finally {
    takeBack();
  }
}
