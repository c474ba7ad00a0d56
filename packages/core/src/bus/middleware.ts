import type { EventHandler, HandlerContext } from '../contract/bus.ts';
import { DeliveredEvent } from '../dispatch/delivery.ts';
import { eventToPublish } from '../dispatch/event-to-publish.ts';
import { NextCalledTwiceError } from '../errors/errors.ts';
import type { Event, NewEvent } from '../contract/event.ts';
import type { RouterView } from '../routing/router.ts';

/** The argument of a publish middleware. */
export interface PublishMiddlewareContext {
  readonly event: Event;
  /** Continues with the event, or with a changed one. Call it once and await it. */
  readonly next: (event?: NewEvent) => Promise<void>;
  /** Knows which engine carries a topic. */
  readonly router: RouterView;
}

/** The argument of a handle middleware. */
export interface HandleMiddlewareContext {
  readonly event: Event;
  /** Continues with the event, or with a changed one. Call it once and await it. */
  readonly next: (event?: Event) => Promise<void>;
  /** The second argument of the handler. `context.engine` is the engine that delivered the event. */
  readonly context: HandlerContext;
  /** Knows which engine carries a topic. */
  readonly router: RouterView;
}

/**
 * Runs around every publish. If it returns without calling `next`, nothing is published. If it throws, `publish` rejects with the
 * error.
 */
export type PublishMiddleware = (context: PublishMiddlewareContext) => unknown;

/**
 * Runs around every attempt of every handler. If it returns without calling `next`, the event counts as handled. If it throws, the
 * attempt has failed.
 */
export type HandleMiddleware = (context: HandleMiddlewareContext) => unknown;

/** Middleware for publishing and handling. The first of each list is the outermost. */
export interface Middleware {
  readonly publish?: readonly PublishMiddleware[] | undefined;
  readonly handle?: readonly HandleMiddleware[] | undefined;
}

/** Wraps a publish in middleware. */
export function aroundPublish(
  middleware: readonly PublishMiddleware[],
  router: RouterView,
  publish: (event: Event) => Promise<void>,
): (event: Event) => Promise<void> {
  return middleware.reduceRight<(event: Event) => Promise<void>>(
    (inner, outer) => async (event) => {
      const next = once(event, (changed?: NewEvent) =>
        inner(changed === undefined ? event : eventToPublish(changed)),
      );
      await outer({ event, next, router });
    },
    publish,
  );
}

/** Wraps a handler in middleware. */
export function aroundHandler(
  middleware: readonly HandleMiddleware[],
  router: RouterView,
  handler: EventHandler<never>,
): EventHandler<never> {
  return middleware.reduceRight<EventHandler<never>>(
    (inner, outer) => async (event, context) => {
      const next = once(event, async (changed?: Event) => {
        await inner(changedEvent(event, changed), context);
      });
      await outer({ event, next, context, router });
    },
    handler,
  );
}

function changedEvent(event: Event, changed: Event | undefined): Event<never> {
  if (changed === undefined || changed === event) return event as Event<never>;
  return (event instanceof DeliveredEvent ? event.with(changed) : { ...event, ...changed }) as Event<never>;
}

function once<E>(event: Event, next: (changed?: E) => Promise<void>): (changed?: E) => Promise<void> {
  let called = false;
  return async (changed) => {
    if (called) throw new NextCalledTwiceError(event.topic);
    called = true;
    await next(changed);
  };
}
