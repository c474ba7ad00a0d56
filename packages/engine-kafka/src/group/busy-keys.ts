/** A key with unsettled events. Further events of the key go to the same subscription, which keeps their order. */
export interface BusyKey<Subscriber, Entry> {
  readonly topic: string;
  readonly key: string;
  readonly subscriber: Subscriber;
  /** Unsettled events of the key. */
  count: number;
  /** Events of the key that wait until a subscription that leaves has settled the events that it has. */
  waiting: Entry[] | undefined;
}

/** Which subscription handles the events of a key at the moment. */
export class BusyKeys<Subscriber, Entry> {
  readonly #topics = new Map<string, Map<string, BusyKey<Subscriber, Entry>>>();

  find(topic: string, key: string): BusyKey<Subscriber, Entry> | undefined {
    return this.#topics.get(topic)?.get(key);
  }

  /** @param found - The result of `find`. */
  hold(
    topic: string,
    key: string,
    found: BusyKey<Subscriber, Entry> | undefined,
    subscriber: Subscriber,
  ): BusyKey<Subscriber, Entry> {
    if (found !== undefined) {
      found.count++;
      return found;
    }
    const busyKey = { topic, key, subscriber, count: 1, waiting: undefined };
    const keys = this.#topics.get(topic);
    if (keys === undefined) this.#topics.set(topic, new Map([[key, busyKey]]));
    else keys.set(key, busyKey);
    return busyKey;
  }

  /** Ends one event of the key. Returns the events that waited for the key, once it has no unsettled events. */
  free(busyKey: BusyKey<Subscriber, Entry>): readonly Entry[] {
    if (--busyKey.count > 0) return none;
    const keys = this.#topics.get(busyKey.topic)!;
    keys.delete(busyKey.key);
    if (keys.size === 0) this.#topics.delete(busyKey.topic);
    return busyKey.waiting ?? none;
  }
}

const none: readonly never[] = [];
