import { type HandlerContext, HandlerRequiredError } from '@polybus/core';

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
