import type { Event } from './event.ts';

/** The metadata of an event that name its cause. Their names are those of the CloudEvents extension "Correlation". */
// oxlint-disable-next-line typescript/consistent-type-definitions -- an interface is no Record<string, unknown>, which metadata is
export type CauseMetadata = {
  /** The same for all events that follow from one first event: the id of that event, unless a publisher set another value. */
  readonly correlationid: string;
  /** The id of the event whose handler published this one. */
  readonly causationid: string;
};

/** The correlation of an event, and its cause. */
export interface Correlation {
  /** The `correlationid` of the event or, if it has none, its id: it is then the first of its correlation. */
  readonly correlationId: string;
  /** The id of the event that caused it; undefined for a first event. */
  readonly causationId: string | undefined;
}

/** Returns the correlation of an event, and its cause. A value in its metadata that is not a text counts as none. */
export function correlationOf({ id, metadata }: Pick<Event, 'id' | 'metadata'>): Correlation {
  return {
    correlationId: textOf(metadata['correlationid']) ?? id,
    causationId: textOf(metadata['causationid']),
  };
}

/**
 * Returns the metadata of an event that another event causes. An event that a handler publishes has them already. Code outside of
 * handlers, such as a loop over `bus.events()` or a timer, sets them itself.
 *
 * @example
 * ```ts
 * for await (const order of bus.events('order.placed')) {
 *   await bus.publish('invoice.due', { order: order.id }, { metadata: causedBy(order) });
 * }
 * ```
 */
export function causedBy(event: Pick<Event, 'id' | 'metadata'>): CauseMetadata {
  return { correlationid: correlationOf(event).correlationId, causationid: event.id };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
