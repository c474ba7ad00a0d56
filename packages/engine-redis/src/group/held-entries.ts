import type { Acknowledgement } from '@polybus/core/engine';
import { type StreamEntry, keyOf } from '../store/stream-entry.ts';
import type { Acknowledger } from './acknowledger.ts';
import { countOf, previousAttempts, recordedAttempts } from './attempt-count.ts';
import type { GivenBack } from './consumer-commands.ts';

/** The entries of one topic that were delivered to a group member and are not settled. */
export class HeldEntries {
  readonly #acknowledger: Acknowledger;
  readonly #onRemoved: (isReleased: boolean) => void;
  readonly #ids = new Set<string>();
  /** Ids of entries that another consumer has by now, while their handler still runs here. */
  readonly #lost = new Set<string>();
  /** How many of the entries have each key. */
  readonly #keys = new Map<string, number>();

  /** @param onRemoved - Called when an entry is settled or released. */
  constructor(acknowledger: Acknowledger, onRemoved: (isReleased: boolean) => void) {
    this.#acknowledger = acknowledger;
    this.#onRemoved = onRemoved;
  }

  get isEmpty(): boolean {
    return this.#ids.size === 0;
  }

  get keys(): Iterable<string> {
    return this.#keys.keys();
  }

  /** The ids that are pending for this consumer on the server, as far as is known here. */
  get pending(): Set<string> {
    const pending = new Set([...this.#ids, ...this.#acknowledger.unconfirmed]);
    for (const id of this.#lost) pending.delete(id);
    return pending;
  }

  /** Returns whether the entry was delivered before and will still be acknowledged. If another consumer had it, it is this one's again. */
  regain(id: string): boolean {
    this.#lost.delete(id);
    return this.#ids.has(id) || this.#acknowledger.hasSettled(id);
  }

  /** Other consumers have these entries by now. Returns whether any of them is not settled here. */
  lose(ids: readonly string[]): boolean {
    let isAny = false;
    for (const id of ids) {
      if (!this.#ids.has(id)) continue;
      this.#lost.add(id);
      isAny = true;
    }
    return isAny;
  }

  /** Gives back an entry that came too late. */
  refuse(entry: StreamEntry): void {
    this.#acknowledger.giveBack(givenBack(entry));
  }

  take(entry: StreamEntry): Acknowledgement {
    const { id } = entry;
    const key = keyOf(entry);
    const recorded = recordedAttempts(entry);
    const previous = previousAttempts(entry);
    let attempts = previous;
    this.#ids.add(id);
    if (key !== '') this.#keys.set(key, (this.#keys.get(key) ?? 0) + 1);
    return {
      begun: (attempt) => {
        attempts = attempt;
        if (attempt > recorded) this.#acknowledger.begun(id, attempt);
      },
      settled: () => {
        this.#acknowledger.settled(id, key);
        this.#remove(id, key, false);
      },
      release: () => {
        // An entry that another consumer has by now is not this consumer's to give back.
        if (!this.#lost.has(id)) {
          const isBegun = attempts > previous;
          this.#acknowledger.giveBack(
            isBegun ? { id, deliveries: countOf(attempts), key } : givenBack(entry),
          );
        }
        this.#remove(id, key, true);
        return true;
      },
    };
  }

  #remove(id: string, key: string, isReleased: boolean): void {
    this.#ids.delete(id);
    this.#lost.delete(id);
    if (key !== '') {
      const others = this.#keys.get(key)! - 1;
      if (others === 0) this.#keys.delete(key);
      else this.#keys.set(key, others);
    }
    this.#onRemoved(isReleased);
  }
}

/** An entry as it was before this delivery. */
function givenBack(entry: StreamEntry): GivenBack {
  return { id: entry.id, deliveries: Math.max(0, entry.deliveries - 1), key: keyOf(entry) };
}
