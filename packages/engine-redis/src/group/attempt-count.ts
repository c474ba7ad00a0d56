import type { StreamEntry } from '../store/stream-entry.ts';

/*
 * The delivery count that a group keeps of an entry is 0 before it is read, 1 after it is read, and 1 more for each attempt that
 * has begun. If a consumer left an entry behind after reading it, reading it again counts as an attempt: the consumer may have
 * died of this entry, and the next one may die too, before it can record that an attempt has begun.
 */

/** How many attempts had begun before this consumer received the entry. */
export function previousAttempts({ deliveries }: StreamEntry): number {
  return Math.max(0, deliveries - 2);
}

/** How many attempts the group has recorded, including the one that reading the entry counts as. */
export function recordedAttempts({ deliveries }: StreamEntry): number {
  return Math.max(0, deliveries - 1);
}

/** The delivery count after an attempt has begun. */
export function countOf(attempt: number): number {
  return attempt + 1;
}
