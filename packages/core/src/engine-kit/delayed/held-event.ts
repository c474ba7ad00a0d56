import { type Event, PublishedEvent } from '../../contract/event.ts';

/** A delayed event in a holding topic. */
export interface HeldEvent {
  readonly event: Event;
  /** When it is due, in milliseconds since the epoch. */
  readonly dueAt: number;
  /** The order in which delayed events were published, which orders events that are due at the same time. */
  readonly order: number;
  /** When it came into its holding topic, in milliseconds since the epoch. */
  readonly heldAt: number;
}

/** Returns the event with which a holding topic stores a delayed event: the same event, with another topic and with the rest as metadata. */
export function toHolding({ event, dueAt, order, heldAt }: HeldEvent, topic: string): Event {
  const { id, payload, key, metadata, createdAt } = event;
  const held = { topic: event.topic, dueAt, order, heldAt, metadata };
  return new PublishedEvent(id, topic, payload, held, key, createdAt);
}

/** Returns the delayed event that an event of a holding topic stores; undefined if it stores none. */
export function fromHolding({ id, payload, key, metadata, createdAt }: Event): HeldEvent | undefined {
  const { topic, dueAt, order, heldAt, metadata: own } = metadata;
  if (typeof topic !== 'string' || typeof dueAt !== 'number' || typeof order !== 'number') return undefined;
  if (typeof heldAt !== 'number' || typeof own !== 'object' || own === null) return undefined;
  const event = new PublishedEvent(id, topic, payload, own as Record<string, unknown>, key, createdAt);
  return { event, dueAt, order, heldAt };
}
