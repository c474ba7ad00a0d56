import type { DropReason } from '../contract/observing.ts';
import { runAttempt } from './attempt.ts';
import type { Deliveries } from './backlog/deliveries.ts';
import { BatchEnd } from './batch/batch-end.ts';
import { type BatchPolicy, Batching } from './batch/batching.ts';
import { inOnePass, timeOfCall } from './current-work.ts';
import type { Delivery } from './delivery.ts';
import type { DeliveryPolicy } from './delivery-policy.ts';
import type { FlowFollower, SubscriptionFlow } from './flow.ts';
import type { Outcomes } from './outcomes.ts';
import type { Reporter } from './reporting/reporter.ts';
import type { PoolClient } from './workers/worker-pool.ts';
import type { Workers } from './workers/workers.ts';

/** The queue whose handlers are started. */
export interface StartingQueue {
  readonly workers: Workers;
  /** Why the queue takes no more events; undefined while it does. */
  readonly closeReason: DropReason | undefined;
  readonly returnsAtOnce: boolean | undefined;
  /** Set by the transport: whether a handler may start now. */
  readonly mayBegin: (() => boolean) | undefined;
  /** How many more events fit into the buffer. */
  readonly capacity: number;
  /** A waiting delivery has left the buffer. */
  notifyRoom(): void;
}

/**
 * Starts the handlers of one queue, alone or in batches, as far as its pause, its concurrency, the order per key, the workers and the
 * transport allow. Drops events that have waited for too long.
 */
export class HandlerStarts implements PoolClient, FlowFollower {
  readonly #queue: StartingQueue;
  readonly #deliveries: Deliveries;
  readonly #outcomes: Outcomes;
  readonly #policy: DeliveryPolicy;
  readonly #flow: SubscriptionFlow;
  readonly #reporter: Reporter;
  readonly #batching: Batching | undefined;
  readonly #beginAll: () => void;
  /** An event that came while no other was here. It can expire only if it does not begin at once, and then the clock is read. */
  #arrived: Delivery | undefined = undefined;
  #concurrency: number;
  /** How many handlers may run now: none while the subscription is paused. */
  #limit = 0;
  #isFinishing = false;
  #pumping = false;
  #pumpScheduled = false;

  constructor(
    queue: StartingQueue,
    deliveries: Deliveries,
    outcomes: Outcomes,
    policy: DeliveryPolicy,
    flow: SubscriptionFlow,
    reporter: Reporter,
  ) {
    this.#queue = queue;
    this.#deliveries = deliveries;
    this.#outcomes = outcomes;
    this.#policy = policy;
    this.#flow = flow;
    this.#reporter = reporter;
    this.#concurrency = policy.concurrency;
    const { batch } = policy;
    this.#batching = batch === undefined ? undefined : new Batching(batch, () => this.pump());
    this.#beginAll = batch === undefined ? this.#beginEach : this.#beginBatches;
    flow.follow(this);
    this.flowChanged();
  }

  get isPaused(): boolean {
    return this.#flow.isPaused && !this.#isFinishing;
  }

  /** True while events wait on purpose: for the end of a pause, or for others of their batch. */
  get isHolding(): boolean {
    return this.isPaused || this.#batching?.isFilling === true;
  }

  /** How many events are handled at once. */
  get concurrency(): number {
    return this.#batching?.policy.maxSize ?? this.#concurrency;
  }

  flowChanged(): void {
    this.#concurrency = this.#flow.concurrency ?? this.#policy.concurrency;
    // A handler that started alone holds no key yet.
    if (this.#concurrency > 1) this.#holdRunningKeys();
    this.#limit = this.isPaused ? 0 : this.#concurrency;
    // Not at once: this is called by code of the user, which may itself be a handler.
    if (this.#deliveries.backlog.size > 0) this.pumpSoon();
  }

  /** Ignores pauses, and waits for no batch to be full: for an engine that handles what is queued before it stops. */
  finish(): void {
    this.#isFinishing = true;
    this.#batching?.finish();
    this.flowChanged();
  }

  /** Starts no more handlers. The keys of running handlers stay held until those have settled. */
  close(): void {
    this.#queue.workers.forget(this);
    this.#batching?.close();
    this.#holdRunningKeys();
  }

  /** Notes when a delivery with a time to live has come. Call it before the delivery is added. */
  noteArrival(delivery: Delivery, ttlMs: number, isAlone: boolean): void {
    if (isAlone) this.#arrived = delivery;
    else this.#expireLater(delivery, ttlMs);
  }

  /** Starts the handlers that may start now. After the queue has closed, releases the events that no running handler holds back. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      if (this.#queue.closeReason !== undefined) this.#releaseReady();
      if (this.#queue.returnsAtOnce === true && this.#deliveries.backlog.size > 1) inOnePass(this.#beginAll);
      else this.#beginAll();
    } finally {
      this.#pumping = false;
    }
  }

  pumpSoon(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    queueMicrotask(this.#scheduledPump);
  }

  readonly #scheduledPump = (): void => {
    this.#pumpScheduled = false;
    this.pump();
  };

  readonly #beginEach = (): void => {
    const queue = this.#queue;
    const { running, backlog } = this.#deliveries;
    while (
      running.size < this.#limit &&
      backlog.size > 0 &&
      (queue.mayBegin === undefined || queue.mayBegin()) &&
      queue.workers.tryAcquire(this)
    ) {
      const delivery = this.#takeReady();
      if (delivery === undefined) queue.workers.release();
      else if (this.#beginAttempt(delivery)) runAttempt(delivery, this.#policy, this.#outcomes);
    }
    this.#timeArrival();
  };

  readonly #beginBatches = (): void => {
    const queue = this.#queue;
    const { running, backlog } = this.#deliveries;
    const batching = this.#batching!;
    while (
      running.size < this.#limit &&
      batching.mayBegin(backlog.size, queue.capacity <= 0) &&
      (queue.mayBegin === undefined || queue.mayBegin())
    ) {
      batching.begun();
      this.#beginBatch(batching.policy);
    }
    this.#timeArrival();
  };

  #beginBatch(policy: BatchPolicy): void {
    const batch: Delivery[] = [];
    for (let n = 0; n < policy.maxSize; n++) {
      const delivery = this.#takeReady();
      if (delivery === undefined) break;
      if (this.#beginAttempt(delivery)) batch.push(delivery);
    }
    if (batch.length === 0) return;
    const end = new BatchEnd(batch, this.#outcomes);
    policy.begins(batch.map(({ context }) => context!));
    for (const delivery of batch) runAttempt(delivery, this.#policy, end);
  }

  /** @returns False if its attempts were used up before it came here. */
  #beginAttempt(delivery: Delivery): boolean {
    // With one handler at a time nothing can overtake a running event: its key is held only from its first failure on.
    if (this.#concurrency > 1) this.#deliveries.backlog.holdKey(delivery);
    this.#deliveries.begin(delivery);
    this.#queue.notifyRoom();
    if (delivery.attempt >= this.#policy.retry.attempts) {
      this.#outcomes.countExceeded(delivery);
      return false;
    }
    delivery.beginAttempt(timeOfCall());
    this.#outcomes.reportBegun(delivery);
    this.#reporter.attempt(delivery);
    return true;
  }

  /** Takes the next delivery that may run, and drops those that have expired. */
  #takeReady(): Delivery | undefined {
    for (;;) {
      const delivery = this.#deliveries.backlog.shift();
      if (
        delivery === undefined ||
        delivery.expiresAt === undefined ||
        delivery.expiresAt >= performance.now()
      ) {
        return delivery;
      }
      this.#outcomes.expire(delivery);
    }
  }

  #timeArrival(): void {
    if (this.#arrived?.state === 'queued') this.#expireLater(this.#arrived, this.#policy.ttlMs!);
    this.#arrived = undefined;
  }

  #expireLater(delivery: Delivery, ttlMs: number): void {
    delivery.expiresAt = performance.now() + ttlMs;
  }

  #holdRunningKeys(): void {
    for (const delivery of this.#deliveries.running.all) this.#deliveries.backlog.holdKey(delivery);
  }

  #releaseReady(): void {
    const { backlog } = this.#deliveries;
    for (let next = backlog.shift(); next !== undefined; next = backlog.shift()) this.#outcomes.release(next);
  }
}
