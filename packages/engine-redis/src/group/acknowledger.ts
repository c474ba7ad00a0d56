import { messageOf } from '../errors.ts';
import { type GivenBack, type StreamStore, isGone } from '../store/stream-store.ts';

/** Where entries belong. */
export interface Place {
  readonly topic: string;
  readonly group: string;
  readonly consumer: string;
}

/** How many ids one command takes at most. */
const maxBatch = 500;

/**
 * Acknowledges, and gives back, the entries of one consumer in one topic: what settles in the same turn goes in one command.
 * What the server has not confirmed is kept and sent again, since nobody else would.
 */
export class Acknowledger {
  readonly #store: StreamStore;
  readonly #place: Place;
  /** Ids that the server has not confirmed, each with its key or ''. */
  readonly #settled = new Map<string, string>();
  #givenBack: GivenBack[] = [];
  /** Attempts that have begun and that the group does not know of. */
  readonly #begun = new Map<string, number>();
  #flushing: Promise<void> | undefined;
  #isPlanned = false;

  constructor(store: StreamStore, place: Place) {
    this.#store = store;
    this.#place = place;
  }

  /** Whether it is settled here, and the server may not know. */
  hasSettled(id: string): boolean {
    return this.#settled.has(id);
  }

  /** What is settled or given back, and pending on the server for all that is known here. */
  get unconfirmed(): string[] {
    return [...this.#settled.keys(), ...this.#givenBack.map(({ id }) => id)];
  }

  /** Whether something is given back here, and the server may not know. */
  get isGivingBack(): boolean {
    return this.#givenBack.length > 0;
  }

  /** An attempt has begun. What is settled in the same turn is not worth telling. */
  begun(id: string, attempt: number): void {
    this.#begun.set(id, attempt);
    this.#plan();
  }

  settled(id: string, key: string): void {
    this.#begun.delete(id);
    this.#settled.set(id, key);
    this.#plan();
  }

  giveBack(entry: GivenBack): void {
    this.#begun.delete(entry.id);
    this.#givenBack.push(entry);
    this.#plan();
  }

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    setImmediate(() => {
      // An attempt is told before anything else can end the process; the rest lets what has come by now go first.
      if (this.#begun.size > 0) this.#flushPlanned();
      else setImmediate(this.#flushPlanned);
    });
  }

  readonly #flushPlanned = (): void => {
    this.#isPlanned = false;
    void this.flush().catch(() => {});
  };

  /**
   * Resolves when everything is confirmed.
   *
   * @throws the client's error; what was not confirmed is kept.
   */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing.catch(() => {});
    if (this.#settled.size === 0 && this.#givenBack.length === 0 && this.#begun.size === 0) return;
    this.#flushing = this.#flush();
    try {
      await this.#flushing;
    } catch (error) {
      this.#store.logger.debug?.('an acknowledgement failed and is tried again', { error: messageOf(error) });
      throw error;
    } finally {
      this.#flushing = undefined;
    }
  }

  async #flush(): Promise<void> {
    await (this.#begun.size > 0
      ? Promise.all([this.#record(), this.#acknowledgeAll()])
      : this.#acknowledgeAll());
    if (this.#givenBack.length > 0) await this.#giveAllBack();
  }

  async #acknowledgeAll(): Promise<void> {
    while (this.#settled.size > 0) {
      const batch = first(this.#settled, maxBatch);
      try {
        await this.#acknowledge(batch);
      } catch (error) {
        if (!isGone(error)) throw error;
      }
      for (const [id] of batch) this.#settled.delete(id);
    }
  }

  async #giveAllBack(): Promise<void> {
    while (this.#givenBack.length > 0) {
      // In one command: part of a key's entries must not be had by others before the rest.
      const batch = [...this.#givenBack];
      const { topic, group, consumer } = this.#place;
      try {
        await this.#store.giveBack(topic, group, consumer, batch);
      } catch (error) {
        // A group that is gone has taken along what it had to settle.
        if (!isGone(error)) throw error;
      }
      this.#givenBack = this.#givenBack.slice(batch.length);
    }
  }

  async #record(): Promise<void> {
    const { topic, group, consumer } = this.#place;
    const begun = first(this.#begun, maxBatch);
    try {
      await this.#store.recordAttempts(topic, group, consumer, begun);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    for (const [id, attempt] of begun) if (this.#begun.get(id) === attempt) this.#begun.delete(id);
  }

  #acknowledge(batch: readonly (readonly [string, string])[]): Promise<unknown> {
    const { topic, group, consumer } = this.#place;
    const unkeyed = batch.filter(([, key]) => key === '').map(([id]) => id);
    if (unkeyed.length === batch.length) return this.#store.acknowledge(topic, group, unkeyed);
    const keyed = batch.filter(([, key]) => key !== '').flat();
    return Promise.all([
      unkeyed.length === 0 ? undefined : this.#store.acknowledge(topic, group, unkeyed),
      this.#store.acknowledgeKeyed(topic, group, consumer, keyed),
    ]);
  }
}

function first<K, V>(all: ReadonlyMap<K, V>, count: number): [K, V][] {
  if (all.size <= count) return [...all];
  const some: [K, V][] = [];
  for (const one of all) {
    if (some.length === count) break;
    some.push(one);
  }
  return some;
}
