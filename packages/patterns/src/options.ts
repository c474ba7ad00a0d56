import { type HandlerContext, HandlerRequiredError, InvalidOptionError } from '@polybus/core';
import { longestTimerMs } from './wait.ts';

/** A handler of events of the type `E`, before or after a pattern was put around it. */
export type PatternHandler<E, Result> = (event: E, context: HandlerContext) => Result;

/**
 * Asserts that the first argument of a pattern is a function.
 *
 * @throws {@link HandlerRequiredError} if it is not.
 */
export function assertHandler(handler: unknown, call: string): void {
  if (typeof handler !== 'function') throw new HandlerRequiredError(call, handler);
}

/**
 * Validates an option in milliseconds.
 *
 * @throws {@link InvalidOptionError} if it is not a number above 0, or too large for a timer.
 */
export function milliseconds(option: string, value: unknown, most: number = longestTimerMs): number {
  if (typeof value === 'number' && value > 0 && value <= most) return value;
  throw new InvalidOptionError(option, value, `milliseconds, more than 0 and at most ${most}`);
}

/**
 * Validates an option that counts.
 *
 * @throws {@link InvalidOptionError} if it is not a whole number of at least 1.
 */
export function count(option: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value;
  throw new InvalidOptionError(option, value, 'a whole number of at least 1');
}
