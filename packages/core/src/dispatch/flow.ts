import { InvalidOptionError } from '../errors/errors.ts';
import type { WorkerPool } from './workers/worker-pool.ts';

/** Follows the changes of a {@link SubscriptionFlow}. */
export interface FlowFollower {
  flowChanged(): void;
}

/**
 * Whether a subscription is paused, and how many of its handlers run at once: what its owner changes while it runs. A subscription has
 * one flow, whatever the number of its engines, from before its first event.
 */
export class SubscriptionFlow {
  /** One event, or one batch of events, at a time: its concurrency cannot change. */
  readonly isSerial: boolean;
  isPaused = false;
  /** Undefined until it is changed: until then, each queue has the concurrency that it was made with. */
  concurrency: number | undefined = undefined;
  /** Limits the handlers of all queues together, if the subscription spans several engines. */
  gate: WorkerPool | undefined = undefined;
  readonly #followers: FlowFollower[] = [];

  constructor(isSerial: boolean) {
    this.isSerial = isSerial;
  }

  follow(follower: FlowFollower): void {
    this.#followers.push(follower);
  }

  setPaused(isPaused: boolean): void {
    if (this.isPaused === isPaused) return;
    this.isPaused = isPaused;
    this.#changed();
  }

  /** @throws {@link InvalidOptionError} */
  setConcurrency(concurrency: number): void {
    if (typeof concurrency !== 'number' || !Number.isInteger(concurrency) || concurrency < 1)
      throw new InvalidOptionError(
        'concurrency',
        concurrency,
        'a whole number of at least 1; to start no handlers, call pause()',
      );
    if (this.isSerial && concurrency !== 1)
      throw new InvalidOptionError(
        'concurrency',
        concurrency,
        '1 for a subscription that handles one event or batch at a time; for more, use subscribeAsync',
      );
    this.concurrency = concurrency;
    this.gate?.resize(concurrency);
    this.#changed();
  }

  #changed(): void {
    for (const follower of this.#followers) follower.flowChanged();
  }
}
