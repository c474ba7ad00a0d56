import type { StreamEntry } from '../store/stream-entry.ts';

/*
 * The count that a group keeps of an entry is 0 before it is read, 1 for having been read, and 1 more for each attempt at it
 * that has begun. One that was read before, by a consumer that left it behind, counts as begun when it is read again: it may
 * be what that consumer died of, and so may never come to say that it begins.
 */

/** How many attempts at it had begun before this consumer got it. */
export function previousAttempts({ deliveries }: StreamEntry): number {
  return Math.max(0, deliveries - 2);
}

/** How many of them, and of those that are to come, the group knows of already. */
export function recordedAttempts({ deliveries }: StreamEntry): number {
  return Math.max(0, deliveries - 1);
}

/** The count once an attempt has begun. */
export function countOf(attempt: number): number {
  return attempt + 1;
}
