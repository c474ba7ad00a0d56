import type { Acknowledgement } from '@polybus/core/engine';
import { Acknowledger } from './acknowledger.ts';
import { countOf, previousAttempts, recordedAttempts } from './attempt-count.ts';
import { isAnswer, isError, messageOf } from '../errors.ts';
import { type StreamEntry, keyOf } from '../store/stream-entry.ts';
import { firstId } from '../store/stream-ids.ts';
import { type GivenBack, type Own, type StreamStore, isGone } from '../store/stream-store.ts';

/**
 * The result of a heartbeat. `gone`: the group does not exist, so no consumer has entries in it. `refused`: the server answered with
 * another error, for example because the user may not use this stream. `none`: there was no answer.
 */
export type BeatAnswer = 'renewed' | 'expelled' | 'gone' | 'refused' | 'none';

/** A group member's place in one topic: what it has had, and what of it is not settled. */
export class GroupPlace {
  readonly topic: string;
  readonly #group: string;
  readonly #consumer: string;
  readonly #store: StreamStore;
  readonly acknowledger: Acknowledger;
  /** The highest id that this member has had, as its last read said. */
  cursor: string = firstId;
  /** Nothing was left to read after this id; undefined where there may be something. */
  end: string | undefined = undefined;
  polling: Promise<void> | undefined = undefined;
  isPollWanted = false;
  /** The last read was not made, because there was no room for what it brings. */
  isOutOfRoom = false;
  /** How many reads have succeeded. */
  reads = 0;
  /** Why the last one has not. */
  failure: string | undefined = undefined;
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
  /** The server refuses to renew the lease here, so that no event of this topic may begin until it does. */
  isRefused = false;
  /** Ids that were handed over and are not settled. */
  readonly #unsettled = new Set<string>();
  /** Those of them that another has by now, and whose handler still runs here. */
  readonly #lost = new Set<string>();
  /** How many of them have a key, by that. */
  readonly #keys = new Map<string, number>();
  readonly #onLeft: (isReleased: boolean) => void;

  /** @param onLeft - Called when an entry is settled or released. */
  constructor(
    topic: string,
    group: string,
    consumer: string,
    store: StreamStore,
    onLeft: (isReleased: boolean) => void,
  ) {
    this.topic = topic;
    this.#group = group;
    this.#consumer = consumer;
    this.#store = store;
    this.acknowledger = new Acknowledger(store, { topic, group, consumer });
    this.#onLeft = onLeft;
  }

  /** Whether the entry was handed over already, and the server will hear of it. It is this consumer's again if it was another's. */
  regain(id: string): boolean {
    this.#lost.delete(id);
    return this.#unsettled.has(id) || this.acknowledger.hasSettled(id);
  }

  /** Others have these by now. Returns whether any of them was not settled here. */
  lose(ids: readonly string[]): boolean {
    let isAny = false;
    for (const id of ids) {
      if (!this.#unsettled.has(id)) continue;
      this.#lost.add(id);
      isAny = true;
    }
    return isAny;
  }

  /** What is pending for this consumer, for all that is known here. */
  get pending(): Set<string> {
    const pending = new Set([...this.#unsettled, ...this.acknowledger.unconfirmed]);
    for (const id of this.#lost) pending.delete(id);
    return pending;
  }

  /** The keys of what is not settled. */
  get keys(): Iterable<string> {
    return this.#keys.keys();
  }

  /** Whether entries were handed over and are not settled. */
  get holdsAny(): boolean {
    return this.#unsettled.size > 0;
  }

  /** Why there is something to read. Without room, or behind what is not settled, it waits, which is seen at the receiver. */
  get behind(): string | undefined {
    if (this.end !== undefined) return undefined;
    if (this.failure !== undefined) return `its reads fail: ${this.failure}`;
    return this.isHeld || this.isOutOfRoom ? undefined : 'it has not been read to its end';
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
        this.#left(id, key, false);
      },
      release: () => {
        // What others have by now is not this consumer's to give back.
        if (!this.#lost.has(id)) {
          const isBegun = attempts > previous;
          this.acknowledger.giveBack(isBegun ? { id, deliveries: countOf(attempts), key } : givenBack(entry));
        }
        this.#left(id, key, true);
        return true;
      },
    };
  }

  #left(id: string, key: string, isReleased: boolean): void {
    this.#unsettled.delete(id);
    this.#lost.delete(id);
    if (key !== '') {
      const others = this.#keys.get(key)! - 1;
      if (others === 0) this.#keys.delete(key);
      else this.#keys.set(key, others);
    }
    this.#onLeft(isReleased);
  }

  /** Gives back an entry that came after the end. */
  refuse(entry: StreamEntry): void {
    this.acknowledger.giveBack(givenBack(entry));
  }

  /** Renews the lease, and finds out whether this consumer still has what it holds. */
  async beat(): Promise<BeatAnswer> {
    try {
      const { wasExpelled, pending } = await this.#store.beat(this.topic, this.#group, this.#consumer);
      // An answer may be lost without the connection: by a client of a cluster, which has one for each node. An answer that
      // is on its way makes a difference too, and then asking is in vain.
      if (wasExpelled || pending !== this.pending.size) this.isInDoubt = true;
      this.isRefused = false;
      return wasExpelled ? 'expelled' : 'renewed';
    } catch (error) {
      this.isInDoubt = true;
      if (isGone(error)) return 'gone';
      this.debug('a heartbeat failed', error);
      if (isError(error, 'WRONGTYPE')) return 'gone';
      if (!isAnswer(error)) return 'none';
      this.end = undefined;
      this.failure = messageOf(error);
      return 'refused';
    }
  }

  /** Asks the server how what it has for this consumer differs from what is known here. */
  async ask(): Promise<Own> {
    await this.acknowledger.flush();
    // As of now: what is settled while the question is on its way is pending in its answer.
    const known = this.pending;
    const own = await this.#store.own(this.topic, this.#group, this.#consumer, known);
    this.isInDoubt = false;
    // The server may have come back with what it had earlier, and hand out again what comes before this.
    this.cursor = firstId;
    return own;
  }

  /** The group went with all the data, or with a failover: whatever the stream holds now is new to the group. */
  async recreate(): Promise<void> {
    const { topic } = this;
    try {
      await this.#store.createGroup(topic, this.#group, firstId, this.#consumer);
      const message = 'a consumer group was gone and has been created again from the beginning of its stream';
      this.#store.logger.warn(message, { topic, group: this.#group });
      this.isPollWanted = true;
    } catch (error) {
      this.debug('a group could not be created', error);
    }
  }

  /** Ends the consumer. */
  async leave(): Promise<void> {
    await this.polling;
    await this.acknowledger.flush();
    await this.#store.leave(this.topic, this.#group, this.#consumer);
  }

  debug(message: string, error: unknown): void {
    this.#store.logger.debug?.(message, { topic: this.topic, error: messageOf(error) });
  }
}

/** An entry as it was before this delivery. */
function givenBack(entry: StreamEntry): GivenBack {
  return { id: entry.id, deliveries: Math.max(0, entry.deliveries - 1), key: keyOf(entry) };
}
