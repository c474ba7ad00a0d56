import type { Delivery } from '../delivery.ts';
import { Fifo } from './fifo.ts';

/**
 * The deliveries that wait for a handler, in the order in which they may run.
 *
 * The ordering key of an event is its key or, for a sync subscription and an event without a key, its topic. While a delivery
 * holds its ordering key, later deliveries of the same key wait behind it, and those of other keys pass.
 */
export class KeyOrderedBacklog {
  readonly #ordersByTopic: boolean;
  readonly #isBatched: boolean;
  readonly #waiting = new Fifo<Delivery>();
  /** Before `#waiting`: retries that are due, and deliveries whose ordering key became free. */
  readonly #resumed = new Fifo<Delivery>();
  /** The ordering keys that are held, each with the deliveries that wait behind. */
  readonly #heldKeys = new Map<string, Fifo<Delivery> | undefined>();

  /**
   * @param ordersByTopic - Whether events without a key are kept in order by their topic.
   * @param isBatched - Whether several events of a key may run at once, in one batch.
   */
  constructor(ordersByTopic: boolean, isBatched = false) {
    this.#ordersByTopic = ordersByTopic;
    this.#isBatched = isBatched;
  }

  /** How many deliveries wait, without those that are known to wait behind a held key. */
  get size(): number {
    return this.#resumed.size + this.#waiting.size;
  }

  push(delivery: Delivery): void {
    this.#waiting.push(delivery);
  }

  /** Puts back a delivery that kept its key outside of the backlog, before later deliveries of the key. */
  resume(delivery: Delivery): void {
    this.#resumed.push(delivery);
  }

  /** Puts a delivery behind another of its key, which holds the key. Later deliveries of the key have not been taken yet. */
  putBehind(delivery: Delivery): void {
    if (!this.#waitBehind(delivery)) this.#resumed.push(delivery);
  }

  /** Takes the next delivery that may run. */
  shift(): Delivery | undefined {
    for (;;) {
      const delivery = this.#resumed.shift() ?? this.#waiting.shift();
      if (delivery === undefined || !this.#waitBehind(delivery)) return delivery;
    }
  }

  /** Takes all deliveries, in the order in which they may run; those behind a held key last. The keys stay held. */
  takeAll(): Delivery[] {
    const all: Delivery[] = [];
    for (const fifo of [this.#resumed, this.#waiting, ...this.#heldKeys.values()]) {
      for (let next = fifo?.shift(); next !== undefined; next = fifo?.shift()) all.push(next);
    }
    return all;
  }

  holdKey(delivery: Delivery): void {
    if (delivery.holdsKey) return;
    const key = this.#orderingKeyOf(delivery);
    if (key === undefined) return;
    this.#heldKeys.set(key, undefined);
    delivery.holdsKey = true;
  }

  /** Frees the ordering key of a delivery. The next delivery of that key then holds it; in batches, all those of that key may run. */
  freeKey(delivery: Delivery): void {
    if (!delivery.holdsKey) return;
    delivery.holdsKey = false;
    const key = this.#orderingKeyOf(delivery)!;
    const behind = this.#heldKeys.get(key);
    if (this.#isBatched) {
      this.#heldKeys.delete(key);
      for (let next = behind?.shift(); next !== undefined; next = behind?.shift()) this.#resumed.push(next);
      return;
    }
    const next = behind?.shift();
    if (next === undefined) {
      this.#heldKeys.delete(key);
    } else {
      next.holdsKey = true;
      this.#resumed.push(next);
    }
  }

  /** The number of deliveries that wait for another delivery of their key. */
  countBehind(delivery: Delivery): number {
    return delivery.holdsKey ? (this.#heldKeys.get(this.#orderingKeyOf(delivery)!)?.size ?? 0) : 0;
  }

  #waitBehind(delivery: Delivery): boolean {
    if (delivery.holdsKey || this.#heldKeys.size === 0) return false;
    const key = this.#orderingKeyOf(delivery);
    if (key === undefined || !this.#heldKeys.has(key)) return false;
    let behind = this.#heldKeys.get(key);
    if (behind === undefined) this.#heldKeys.set(key, (behind = new Fifo()));
    behind.push(delivery);
    return true;
  }

  #orderingKeyOf({ source }: Delivery): string | undefined {
    return source.key ?? (this.#ordersByTopic ? source.topic : undefined);
  }
}
