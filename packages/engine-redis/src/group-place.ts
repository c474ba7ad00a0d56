import type { Acknowledgement } from '@polybus/core';
import { Acknowledger } from './acknowledger.ts';
import { countOf, previousAttempts, recordedAttempts } from './attempt-count.ts';
import { type StreamEntry, keyOf } from './stream-entry.ts';
import { firstId } from './stream-ids.ts';
import type { GivenBack, StreamStore } from './stream-store.ts';

/** A group member's place in one topic: what it has had, and what of it is not settled. */
export class GroupPlace {
  readonly topic: string;
  readonly acknowledger: Acknowledger;
  /** The highest id that this member has had, as its last read said. */
  cursor: string = firstId;
  /** Nothing was left to read after this id; undefined where there may be something. */
  end: string | undefined = undefined;
  polling: Promise<void> | undefined = undefined;
  isPollWanted = false;
  /** The last read was not made, because there was no room for what it brings. */
  isOutOfRoom = false;
  /** Something is left to read, but not before something here is settled. */
  isHeld = false;
  /** The read under way waits behind a blocking one. */
  isFollowing = false;
  /** There may be something that others passed on or left behind; a read that brings what is new first does not say. */
  isLookDue = false;
  /** The round of the blocking reader whose end this place reads after by itself. */
  followedIn = 0;
  /** An answer was lost: entries may be ours without our knowing. */
  isInDoubt = false;
  /** Ids that were handed over and are not settled. */
  readonly #unsettled = new Set<string>();
  /** How many of them have a key, by that. */
  readonly #keys = new Map<string, number>();
  readonly #onLeft: () => void;

  /** @param onLeft - Told when an entry is settled or given back. */
  constructor(topic: string, group: string, consumer: string, store: StreamStore, onLeft: () => void) {
    this.topic = topic;
    this.acknowledger = new Acknowledger(store, { topic, group, consumer });
    this.#onLeft = onLeft;
  }

  /** Whether the entry was handed over already, and the server will hear of it. */
  knows(id: string): boolean {
    return this.#unsettled.has(id) || this.acknowledger.hasSettled(id);
  }

  /** What is pending for this consumer, for all that is known here. */
  get pending(): Set<string> {
    return new Set([...this.#unsettled, ...this.acknowledger.unconfirmed]);
  }

  /** The keys of what is not settled. */
  get keys(): Iterable<string> {
    return this.#keys.keys();
  }

  take(entry: StreamEntry): Acknowledgement {
    const { id } = entry;
    const key = keyOf(entry);
    const recorded = recordedAttempts(entry);
    const previous = previousAttempts(entry);
    let attempts = previous;
    this.#unsettled.add(id);
    if (key !== '') this.#keys.set(key, (this.#keys.get(key) ?? 0) + 1);
    return {
      begun: (attempt) => {
        attempts = attempt;
        if (attempt > recorded) this.acknowledger.begun(id, attempt);
      },
      settled: () => {
        this.acknowledger.settled(id, key);
        this.#left(id, key);
      },
      release: () => {
        this.acknowledger.giveBack(
          attempts > previous ? { id, deliveries: countOf(attempts), key } : givenBack(entry),
        );
        this.#left(id, key);
        return true;
      },
    };
  }

  #left(id: string, key: string): void {
    this.#unsettled.delete(id);
    if (key !== '') {
      const others = this.#keys.get(key)! - 1;
      if (others === 0) this.#keys.delete(key);
      else this.#keys.set(key, others);
    }
    this.#onLeft();
  }

  /** Gives back an entry that came after the end. */
  refuse(entry: StreamEntry): void {
    this.acknowledger.giveBack(givenBack(entry));
  }
}

/** An entry as it was before this delivery. */
function givenBack(entry: StreamEntry): GivenBack {
  return { id: entry.id, deliveries: Math.max(0, entry.deliveries - 1), key: keyOf(entry) };
}
