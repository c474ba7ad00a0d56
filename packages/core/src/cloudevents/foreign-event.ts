import { assertDepth, validOrNow } from './attributes.ts';
import { type Event, PublishedEvent } from '../contract/event.ts';

/** A record of a producer that does not write CloudEvents. */
export interface ForeignRecord {
  /** An id that is the same at each delivery. */
  readonly id: string;
  readonly topic: string;
  /** Any JSON value, `undefined`, or a `Uint8Array`. */
  readonly payload: unknown;
  /** Any JSON object, for example the headers of the record. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** The partition key of the record. An empty text means none. */
  readonly key?: string | undefined;
  /** When the broker got the record. Default, also for an invalid `Date`: now. */
  readonly createdAt?: Date | undefined;
}

/**
 * Creates the event that an engine delivers for a record that is not a CloudEvent. Unlike `createEvent`, it does not limit the length of
 * the id and the key, because the record already exists.
 *
 * @throws {@link UndecodableRecordError} if the payload is nested more than 1200 levels deep.
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
