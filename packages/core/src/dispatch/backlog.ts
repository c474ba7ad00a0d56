import type { Delivery } from './delivery.ts';
import { Fifo } from './fifo.ts';

/**
 * What waits for a handler, in the order in which it may run.
 *
 * A lane is the events of one key or, for a sync subscription without a key, of one topic. While an event holds its lane,
 * later events of the same lane wait behind it and those of other lanes pass.
 */
export class Backlog {
  readonly #topicOrders: boolean;
  readonly #waiting = new Fifo<Delivery>();
  /** Before `#waiting`: retries whose time has come, and events whose lane became free. */
  readonly #resumed = new Fifo<Delivery>();
  /** The lanes that are held, each with the events that wait behind. */
  readonly #held = new Map<string, Fifo<Delivery> | undefined>();

  /** @param topicOrders - Whether events without a key are kept in order by their topic. */
  constructor(topicOrders: boolean) {
    this.#topicOrders = topicOrders;
  }

  /** True where nothing waits but what waits behind a held lane. */
  get isEmpty(): boolean {
    return this.#resumed.size === 0 && this.#waiting.size === 0;
  }

  push(delivery: Delivery): void {
    this.#waiting.push(delivery);
  }

  /** Puts an event that held its lane while it was out of the backlog before those that came after it. */
  resume(delivery: Delivery): void {
    this.#resumed.push(delivery);
  }

  /** Takes the next event that may run. */
  shift(): Delivery | undefined {
    for (;;) {
      const delivery = this.#resumed.shift() ?? this.#waiting.shift();
      if (delivery === undefined || !this.#waitBehind(delivery)) return delivery;
    }
  }

  /** Takes all that waits, in the order in which it may run, what waits behind a held lane last; lanes stay held. */
  takeAll(): Delivery[] {
    const all: Delivery[] = [];
    for (const fifo of [this.#resumed, this.#waiting, ...this.#held.values()]) {
      for (let next = fifo?.shift(); next !== undefined; next = fifo?.shift()) all.push(next);
    }
    return all;
  }

  holdLane(delivery: Delivery): void {
    if (delivery.holdsLane) return;
    const lane = this.#laneOf(delivery);
    if (lane === undefined) return;
    this.#held.set(lane, undefined);
    delivery.holdsLane = true;
  }

  /** Lets go of the delivery's lane; the next of that lane holds it then. */
  freeLane(delivery: Delivery): void {
    if (!delivery.holdsLane) return;
    delivery.holdsLane = false;
    const lane = this.#laneOf(delivery)!;
    const next = this.#held.get(lane)?.shift();
    if (next === undefined) {
      this.#held.delete(lane);
    } else {
      next.holdsLane = true;
      this.#resumed.push(next);
    }
  }

  /** How many wait behind a delivery that holds its lane. */
  behind(delivery: Delivery): number {
    return delivery.holdsLane ? (this.#held.get(this.#laneOf(delivery)!)?.size ?? 0) : 0;
  }

  #waitBehind(delivery: Delivery): boolean {
    if (delivery.holdsLane || this.#held.size === 0) return false;
    const lane = this.#laneOf(delivery);
    if (lane === undefined || !this.#held.has(lane)) return false;
    let behind = this.#held.get(lane);
    if (behind === undefined) this.#held.set(lane, (behind = new Fifo()));
    behind.push(delivery);
    return true;
  }

  #laneOf({ source }: Delivery): string | undefined {
    return source.key ?? (this.#topicOrders ? source.topic : undefined);
  }
}
