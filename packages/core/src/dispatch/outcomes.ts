import type { DropReason } from '../contract/observing.ts';
import { retryDelayMs } from '../engine-kit/backoff.ts';
import { DeliveryCountExceededError } from '../errors/errors.ts';
import type { BatchOutcomes } from './batch/batch-end.ts';
import type { Deliveries } from './backlog/deliveries.ts';
import { timeOfReturn } from './current-work.ts';
import type { Delivery } from './delivery.ts';
import type { DeliveryPolicy } from './delivery-policy.ts';
import { isRetryable } from './is-retryable.ts';
import { ReleaseError } from './release-error.ts';
import type { DeadLetterWriter } from './reporting/dead-letter-writer.ts';
import type { Reporter } from './reporting/reporter.ts';

/** The queue whose deliveries end, as their outcomes see it. */
export interface OutcomeQueue {
  /** Why the queue takes no more events; undefined while it does. */
  readonly closeReason: DropReason | undefined;
  /** Runs deliveries that may run now. */
  pump(): void;
  /** A waiting delivery has ended. */
  notifyRoom(): void;
  /** A delivery has ended. */
  notifyEnd(): void;
}

type End = 'handled' | 'expired' | 'released';

/** Decides after each attempt: the delivery is settled, retried, dead-lettered or released, and this is reported. */
export class Outcomes implements BatchOutcomes {
  readonly #queue: OutcomeQueue;
  readonly #deliveries: Deliveries;
  readonly #policy: DeliveryPolicy;
  readonly #reporter: Reporter;
  readonly #deadLetters: DeadLetterWriter;

  constructor(
    queue: OutcomeQueue,
    deliveries: Deliveries,
    policy: DeliveryPolicy,
    reporter: Reporter,
    deadLetters: DeadLetterWriter,
  ) {
    this.#queue = queue;
    this.#deliveries = deliveries;
    this.#policy = policy;
    this.#reporter = reporter;
    this.#deadLetters = deadLetters;
  }

  succeeded(delivery: Delivery): void {
    this.#reporter.attempted(delivery, 'success');
    this.#endAttempt(delivery);
    this.#settle(delivery);
  }

  failed(delivery: Delivery, error: unknown, isTimeout = false): void {
    const isRelease = ReleaseError.is(error);
    this.#reporter.attempted(delivery, isTimeout ? 'timeout' : isRelease ? 'released' : 'failure');
    this.#endAttempt(delivery);
    if (isRelease) {
      this.#uncount(delivery);
      this.release(delivery);
      this.#queue.pump();
      return;
    }
    const now = Date.now();
    delivery.failures = { first: delivery.failures?.first ?? now, last: now };
    const { retry } = this.#policy;
    if (!isRetryable(retry, delivery.attempt, error)) {
      this.#exhausted(delivery, error);
      return;
    }
    const delayMs = retryDelayMs(retry, delivery.attempt);
    this.#reporter.retrying(delivery, error, delayMs);
    this.#parkFor(delivery, delayMs, () => this.#resume(delivery));
  }

  heldBack(delivery: Delivery): void {
    this.#reporter.attempted(delivery, 'released');
    this.#endAttempt(delivery);
    this.#uncount(delivery);
    if (delivery.isWithdrawn || this.#queue.closeReason !== undefined) this.release(delivery);
    else this.#deliveries.putBack(delivery);
    this.#queue.pump();
  }

  /** Nothing failed: the attempt of a delivery does not count. */
  #uncount(delivery: Delivery): void {
    delivery.attempt--;
    this.reportBegun(delivery);
  }

  #endAttempt(delivery: Delivery): void {
    if (delivery.timer !== undefined) clearTimeout(delivery.timer);
    delivery.timer = undefined;
    delivery.event?.complete(timeOfReturn());
    delivery.event = undefined;
  }

  #parkFor(delivery: Delivery, delayMs: number, then: () => void): void {
    this.#deliveries.park(delivery);
    if (delivery.isWithdrawn) {
      // The transport may have delivered later events of its key again: they must not overtake it.
      this.releaseBacklog();
      this.release(delivery);
    } else if (this.#queue.closeReason !== undefined) {
      this.release(delivery);
    } else {
      delivery.timer = setTimeout(then, delayMs);
    }
    this.#queue.pump();
  }

  #resume(delivery: Delivery): void {
    delivery.timer = undefined;
    this.#deliveries.resume(delivery);
    this.#queue.pump();
  }

  /** A delivery has used up its attempts before it came here. */
  countExceeded(delivery: Delivery): void {
    delivery.state = 'running';
    const now = Date.now();
    delivery.failures = { first: now, last: now };
    this.#exhausted(delivery, new DeliveryCountExceededError(delivery.source.topic, delivery.attempt));
  }

  /** The attempts of a delivery are used up: it is discarded, or settled once its dead letter is written. */
  #exhausted(delivery: Delivery, error: unknown): void {
    delivery.timer = undefined;
    delivery.isExhausted = true;
    const topic = this.#deadLetters.topicFor(delivery.source.topic);
    if (topic === undefined) {
      this.#reporter.discarded(delivery, error);
      this.#settle(delivery);
      return;
    }
    const writing = this.#deadLetters.write(delivery, error, topic).then(() => {
      if (delivery.state !== 'done') this.#reporter.deadLettered(delivery, error, topic);
    });
    this.#deliveries.park(delivery);
    writing.then(
      () => this.#settle(delivery),
      () => {
        // Not acknowledged until its dead letter is written: try again. Later events of its key wait.
        if (delivery.state !== 'done') {
          const delayMs = Math.max(100, retryDelayMs(this.#policy.retry, delivery.attempt));
          this.#parkFor(delivery, delayMs, () => this.#exhausted(delivery, error));
        }
      },
    );
    this.#queue.pump();
  }

  #settle(delivery: Delivery): void {
    if (delivery.state === 'done') return;
    this.#end(delivery, 'handled');
    this.#queue.pump();
  }

  /** Ends a delivery that waited for longer than its time to live. */
  expire(delivery: Delivery): void {
    this.#end(delivery, 'expired');
  }

  /** Releases all queued deliveries, also those behind a held key. */
  releaseBacklog(): void {
    for (const delivery of this.#deliveries.backlog.takeAll()) this.release(delivery);
  }

  /** Ends a delivery without acknowledging it. */
  release(delivery: Delivery): void {
    if (delivery.state !== 'done') this.#end(delivery, 'released');
  }

  #end(delivery: Delivery, end: End): void {
    if (this.#deliveries.leave(delivery)) this.#queue.notifyRoom();
    if (delivery.timer !== undefined) clearTimeout(delivery.timer);
    delivery.timer = undefined;
    delivery.event = undefined;
    delivery.state = 'done';
    this.#deliveries.backlog.freeKey(delivery);
    try {
      this.#report(delivery, end);
    } catch (error) {
      this.#reporter.fault(error);
    }
    this.#queue.notifyEnd();
  }

  #report({ source, acknowledgement }: Delivery, end: End): void {
    if (end === 'released') {
      if (acknowledgement.release()) this.#reporter.released();
      else this.#reporter.dropped(source, this.#queue.closeReason ?? 'unsubscribed');
      return;
    }
    if (end === 'handled') this.#reporter.settled();
    else this.#reporter.dropped(source, 'expired');
    // An expired event is settled too: its publisher may wait for it, and its broker must not deliver it again.
    acknowledgement.settled();
  }

  /** Tells the transport how many attempts have begun. */
  reportBegun({ acknowledgement, attempt }: Delivery): void {
    try {
      acknowledgement.begun?.(attempt);
    } catch (error) {
      this.#reporter.fault(error);
    }
  }
}
