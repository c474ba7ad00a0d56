import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventHandler, HandlerContext } from '../contract/bus.ts';
import type { DeliveredEvent, Work } from './delivery.ts';

/**
 * The asynchronous context of handlers that are called one after the other without a pause. To enter a context takes about as long as
 * the rest of a delivery on Node.js 24 and later.
 */
class Pass {
  /** The work of the handler that runs, or that returned a promise. */
  work: Work | undefined = undefined;
  /** The time of day when the last handler returned, in milliseconds since the epoch; 0 if the next handler cannot use it. */
  returnedAt = 0;
}

const contexts = new AsyncLocalStorage<Work | Pass>();
/** The pass whose context the current code runs in, while no handler runs. */
let pass: Pass | undefined;

/** True while the caller runs in a handler that has not settled. */
export function insideHandler(): boolean {
  return activeWork() !== undefined;
}

/** The delivery whose handler or dead letter's publish, or the record whose `onUndecodable`, the caller runs in, if that has not settled yet. */
export function activeWork(): Work | undefined {
  const context = contexts.getStore();
  const work = context instanceof Pass ? context.work : context;
  // A timer set in a handler outlives it, and its code then belongs to no work.
  return work?.state === 'running' || work?.isWritingDeadLetter === true ? work : undefined;
}

/** Runs code of a piece of work in an asynchronous context of its own. */
export function runInWork<T>(work: Work, run: () => T): T {
  return contexts.run(work, run);
}

/** Runs code that calls several handlers one after the other. Handlers that return no promise then share an asynchronous context. */
export function inOnePass<A extends unknown[]>(run: (...args: A) => void, ...args: A): void {
  if (pass !== undefined) {
    run(...args);
    return;
  }
  pass = new Pass();
  try {
    contexts.run(pass, run, ...args);
  } finally {
    pass = undefined;
  }
}

/**
 * Calls the handler of a delivery, in the context of that delivery.
 *
 * @returns What the handler returned, if that is a promise or another thenable; undefined if the handler has ended.
 */
export function callHandler(
  work: Work,
  handler: EventHandler<never>,
  event: DeliveredEvent,
  context: HandlerContext,
): PromiseLike<unknown> | undefined {
  const { queue } = work;
  // A handler that may return a promise needs a context of its own, so that its later code is not taken for that of another handler.
  const shared = queue.returnsAtOnce === true ? pass : undefined;
  let next = pass;
  // The handler is code of the user, and handlers that it causes to run belong to no pass of the engine.
  pass = undefined;
  if (shared !== undefined) shared.work = work;
  try {
    const result: unknown =
      shared === undefined
        ? contexts.run(work, handler, event as never, context)
        : handler(event as never, context);
    const isPromise = typeof (result as PromiseLike<unknown> | null | undefined)?.then === 'function';
    if (!isPromise) {
      queue.returnsAtOnce ??= true;
      return undefined;
    }
    queue.returnsAtOnce = false;
    // The first promise of a handler that had returned none before: the context is from now on that of its work.
    if (shared !== undefined) next = undefined;
    return result as PromiseLike<unknown>;
  } finally {
    if (shared !== undefined && next !== undefined) shared.work = undefined;
    pass = next;
  }
}

/**
 * Returns the time of day at which a handler is called, in milliseconds since the epoch. Between two handlers of a pass only code of the
 * engine runs, and its observers, so that the clock is not read again.
 */
export function timeOfCall(): number {
  const returnedAt = pass?.returnedAt ?? 0;
  if (returnedAt === 0) return Date.now();
  pass!.returnedAt = 0;
  return returnedAt;
}

/** Returns the time of day at which a handler has returned. The next handler of the pass is called at the same time. */
export function timeOfReturn(): number {
  const now = Date.now();
  if (pass !== undefined) pass.returnedAt = now;
  return now;
}
