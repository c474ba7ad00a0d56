import { KeyOrderedBacklog } from './key-ordered-backlog.ts';
import type { Delivery } from '../delivery.ts';
import { Running } from './running.ts';
import type { Workers } from '../workers/workers.ts';

/**
 * The unsettled deliveries of one subscription, by their state.
 *
 * A delivery goes from queued to running to done. Between two attempts, and while its dead letter is being written, it is
 * parked. A running delivery has a worker.
 */
export class Deliveries {
  readonly backlog: KeyOrderedBacklog;
  readonly running: Running = new Running();
  readonly parked: Set<Delivery> = new Set();
  /** Accepted deliveries whose handler is not running: queued or parked. */
  waiting = 0;
  /** Changes whenever a delivery begins or ends. */
  position = 0;
  readonly #workers: Workers;

  /**
   * @param ordersByTopic - Whether events without a key are kept in order by their topic.
   * @param isBatched - Whether several events of a key may run at once, in one batch.
   */
  constructor(ordersByTopic: boolean, isBatched: boolean, workers: Workers) {
    this.backlog = new KeyOrderedBacklog(ordersByTopic, isBatched);
    this.#workers = workers;
  }

  add(delivery: Delivery): void {
    this.waiting++;
    this.backlog.push(delivery);
  }

  /** A delivery that was taken out of the backlog begins. */
  begin(delivery: Delivery): void {
    this.running.add(delivery);
    this.position++;
    this.waiting--;
  }

  /** A delivery whose handler has ended waits: it keeps its ordering key, and frees its worker for others. */
  park(delivery: Delivery): void {
    if (delivery.state !== 'running') return;
    this.backlog.holdKey(delivery);
    this.#freeWorker(delivery);
    delivery.state = 'parked';
    this.parked.add(delivery);
    this.waiting++;
  }

  /** A delivery whose handler has ended waits behind another of its key, which holds the key. */
  putBack(delivery: Delivery): void {
    this.#freeWorker(delivery);
    delivery.state = 'queued';
    this.waiting++;
    this.backlog.putBehind(delivery);
  }

  /** A parked delivery may run again. */
  resume(delivery: Delivery): void {
    delivery.state = 'queued';
    this.parked.delete(delivery);
    this.backlog.resume(delivery);
  }

  /**
   * Removes a delivery that ends from the count of its state. A queued delivery has already left the backlog.
   *
   * @returns true if it was waiting.
   */
  leave(delivery: Delivery): boolean {
    this.position++;
    if (delivery.state === 'running') {
      this.#freeWorker(delivery);
      return false;
    }
    if (delivery.state === 'parked') this.parked.delete(delivery);
    this.waiting--;
    return true;
  }

  #freeWorker(delivery: Delivery): void {
    this.running.remove(delivery);
    // A handler that waited for others has lent its worker, and a wait that is still open does not take it back.
    this.#workers.release(delivery.waits > 0);
    delivery.waits = 0;
  }
}
