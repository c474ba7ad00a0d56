import { setTimeout } from 'node:timers/promises';

/** The longest time that a timer of Node.js can wait, in milliseconds. */
export const longestTimerMs: number = 2 ** 31 - 1;

/**
 * Waits.
 *
 * @throws the reason of the signal if it aborts first.
 */
export async function wait(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(Math.min(Math.ceil(ms), longestTimerMs), undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
