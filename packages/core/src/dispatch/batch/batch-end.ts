import type { AttemptEnd } from '../attempt.ts';
import type { Delivery } from '../delivery.ts';

/** Settles the attempts of a batch. */
export interface BatchOutcomes extends AttemptEnd {
  /** The attempt does not count, because an earlier event of its key in the batch comes again: the event comes again after that. */
  heldBack(delivery: Delivery): void;
}

type Result = { readonly error: unknown; readonly isTimeout: boolean } | undefined;

/**
 * Collects the results of the attempts of a batch, and settles them together, in the order of their events. If an event fails and comes
 * again, later events of its key come again after it, so that the order per key is kept.
 */
export class BatchEnd implements AttemptEnd {
  readonly #deliveries: readonly Delivery[];
  readonly #outcomes: BatchOutcomes;
  readonly #results = new Map<Delivery, Result>();

  constructor(deliveries: readonly Delivery[], outcomes: BatchOutcomes) {
    this.#deliveries = deliveries;
    this.#outcomes = outcomes;
  }

  succeeded(delivery: Delivery): void {
    this.#end(delivery, undefined);
  }

  failed(delivery: Delivery, error: unknown, isTimeout = false): void {
    this.#end(delivery, { error, isTimeout });
  }

  #end(delivery: Delivery, result: Result): void {
    // The late result of an attempt that has timed out.
    if (this.#results.has(delivery)) return;
    this.#results.set(delivery, result);
    if (this.#results.size === this.#deliveries.length) this.#settle();
  }

  #settle(): void {
    const keysThatComeAgain = new Set<string>();
    for (const delivery of this.#deliveries) {
      // Released meanwhile, because the engine has given up waiting.
      if (delivery.state !== 'running') continue;
      const { key } = delivery.source;
      const result = this.#results.get(delivery);
      if (key !== undefined && keysThatComeAgain.has(key)) {
        this.#outcomes.heldBack(delivery);
      } else if (result === undefined) {
        this.#outcomes.succeeded(delivery);
      } else {
        this.#outcomes.failed(delivery, result.error, result.isTimeout);
        if (key !== undefined && !delivery.isExhausted) keysThatComeAgain.add(key);
      }
    }
  }
}
