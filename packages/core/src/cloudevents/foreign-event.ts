import { assertDepth, validOrNow } from './attributes.ts';
import { type Event, PublishedEvent } from '../contract/event.ts';

/** What a record is that a producer wrote who knows nothing of events. */
export interface ForeignRecord {
  /** The same at each delivery. */
  readonly id: string;
  readonly topic: string;
  /** Any JSON value, `undefined`, or a `Uint8Array`. */
  readonly payload: unknown;
  /** What it has beside its content, such as its headers. Any JSON object. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** Its partition key; none where that is empty. */
  readonly key?: string | undefined;
  /** When the broker got it. Default, also for an invalid `Date`: now. */
  readonly createdAt?: Date | undefined;
}

/**
 * The event that an engine delivers for a record that is no CloudEvent. What `createEvent` asks of a publisher, it does not ask: the
 * record is there already, however long its id and its key are.
 *
 * @throws {@link UndecodableRecordError} where the payload is nested more than 1200 levels deep.
 */
export function foreignEvent({ id, topic, payload, metadata = {}, key, createdAt }: ForeignRecord): Event {
  if (!(payload instanceof Uint8Array)) assertDepth(payload, 'its content', { topic });
  return new PublishedEvent(
    id,
    topic,
    payload,
    metadata,
    key === '' ? undefined : key,
    validOrNow(createdAt),
  );
}
