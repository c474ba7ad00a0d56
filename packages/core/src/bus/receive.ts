import type { EventHandler } from '../contract/bus.ts';
import { DeliveredEvent } from '../dispatch/delivery.ts';
import type { Event } from '../contract/event.ts';
import { type HandleMiddleware, aroundHandler } from './middleware.ts';
import type { RouterView } from '../routing/router.ts';
import { type StandardSchema, validatePayload } from '../typed/standard-schema.ts';

/**
 * Wraps a handler in the schema of the event's topic and then in middleware. The schema comes first, so that middleware gets the same
 * payload as the handler. Returns the handler itself if there is neither.
 */
export function aroundReceive(
  handler: EventHandler<never>,
  schemas: ReadonlyMap<string, StandardSchema>,
  middleware: readonly HandleMiddleware[],
  router: RouterView,
): EventHandler<never> {
  const around = middleware.length === 0 ? handler : aroundHandler(middleware, router, handler);
  if (schemas.size === 0) return around;
  return (event: Event, context) => {
    const schema = schemas.get(event.topic);
    if (schema === undefined) return around(event as Event<never>, context);
    const payload = validatePayload(schema, event.payload, event.topic);
    const proceed = (value: unknown): unknown => around(withPayload(event, value), context);
    return payload instanceof Promise ? payload.then(proceed) : proceed(payload);
  };
}

function withPayload(event: Event, payload: unknown): Event<never> {
  if (payload === event.payload) return event as Event<never>;
  return (event instanceof DeliveredEvent ? event.with({ payload }) : { ...event, payload }) as Event<never>;
}
