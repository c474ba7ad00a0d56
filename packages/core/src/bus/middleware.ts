import type { EventHandler, HandlerContext } from '../contract/bus.ts';
import { DeliveredEvent } from '../dispatch/delivery.ts';
import { NextCalledTwiceError } from '../errors/errors.ts';
import type { Event, NewEvent } from '../contract/event.ts';
import { createEvent } from '../contract/create-event.ts';
import type { Router } from '../routing/router.ts';

/**
 * Runs around every publish. It calls `next` to continue, optionally with a changed event; if it returns without calling `next`,
 * nothing is published. If it throws, `publish` rejects with the error. `router` knows which engine carries a topic.
 */
export type PublishMiddleware = (
  event: Event,
  next: (event?: NewEvent) => Promise<void>,
  router: Router,
) => unknown;

/**
 * Runs around every attempt of every handler. It calls `next` to continue, optionally with a changed event; if it returns without
 * calling `next`, the event counts as handled. If it throws, the attempt has failed. `context.engine` is the engine that delivered the
 * event; `router` knows which engine carries a topic.
 */
export type HandleMiddleware = (
  event: Event,
  next: (event?: Event) => Promise<void>,
  context: HandlerContext,
  router: Router,
) => unknown;

/** Middleware for publishing and handling. The first of each list is the outermost. */
export interface Middleware {
  readonly publish?: readonly PublishMiddleware[] | undefined;
  readonly handle?: readonly HandleMiddleware[] | undefined;
}

/** Wraps a publish in middleware. */
export function aroundPublish(
  middleware: readonly PublishMiddleware[],
  router: Router,
  publish: (event: Event) => Promise<void>,
): (event: Event) => Promise<void> {
  return middleware.reduceRight<(event: Event) => Promise<void>>(
    (inner, outer) => async (event) => {
      await outer(
        event,
        once(event, (changed) => inner(changed === undefined ? event : createEvent(changed))),
        router,
      );
    },
    publish,
  );
}

/** Wraps a handler in middleware. */
export function aroundHandler(
  middleware: readonly HandleMiddleware[],
  router: Router,
  handler: EventHandler<never>,
): EventHandler<never> {
  return middleware.reduceRight<EventHandler<never>>(
    (inner, outer) => async (event, context) => {
      await outer(
        event,
        once(event, async (changed) => void (await inner(changedEvent(event, changed), context))),
        context,
        router,
      );
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
