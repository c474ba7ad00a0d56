import { setTimeout } from 'node:timers/promises';
import { lendWorker } from '@polybus/core/engine';

/** The longest time that a timer of Node.js can wait, in milliseconds. */
export const longestTimerMs: number = 2 ** 31 - 1;

/**
 * Waits, at most as long as a timer can.
 *
 * @throws the reason of the signal if it aborts first.
 */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(Math.min(Math.ceil(ms), longestTimerMs), undefined, { signal });
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
