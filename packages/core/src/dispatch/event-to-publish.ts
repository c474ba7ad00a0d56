import { causedBy } from '../contract/correlation.ts';
import { createEvent } from '../contract/create-event.ts';
import { type NewEvent, PublishedEvent } from '../contract/event.ts';
import { activeWork } from './current-work.ts';

/**
 * Validates an event to publish and sets its defaults. An event that a handler publishes gets the metadata that say which event caused
 * it, unless the caller sets them.
 *
 * @throws as `createEvent` does.
 */
export function eventToPublish<T>(input: NewEvent<T>): PublishedEvent<T> {
  // Created by a layer above, or by core itself: a dead letter has the metadata of its event.
  if (input instanceof PublishedEvent) return input as PublishedEvent<T>;
  const event = createEvent(input);
  const cause = activeWork()?.event;
  // An event that its handler publishes again is the same event, and not its own effect.
  if (cause === undefined || cause.id === event.id) return event;
  const { id, topic, payload, metadata, key, createdAt } = event;
  if (metadata['correlationid'] !== undefined && metadata['causationid'] !== undefined) return event;
  return new PublishedEvent(id, topic, payload, { ...causedBy(cause), ...metadata }, key, createdAt);
}
