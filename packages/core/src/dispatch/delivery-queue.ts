import type { Subscription } from '../contract/bus.ts';
import type { Event } from '../contract/event.ts';
import type { DropReason } from '../contract/observing.ts';
import { tenantOf } from '../contract/tenant.ts';
import type { Acknowledgement, EndWait, RawRecord, ReadProgress, Receiver } from '../contract/transport.ts';
import { isMeantFor } from '../dead-letters/redrive-target.ts';
import { runAttempt } from './attempt.ts';
import { BatchEnd } from './batch/batch-end.ts';
import { type BatchPolicy, Batching } from './batch/batching.ts';
import { Deliveries } from './deliveries.ts';
import { inOnePass, timeOfCall } from './current-work.ts';
import { Delivery, type DeliveryOwner } from './delivery.ts';
import type { DeliveryPolicy } from './delivery-policy.ts';
import type { FlowFollower, SubscriptionFlow } from './flow.ts';
import { type OutcomeQueue, Outcomes } from './outcomes.ts';
import { queueProgress } from './queue-progress.ts';
import type { DeadLetterWriter } from './reporting/dead-letter-writer.ts';
import type { Reporter } from './reporting/reporter.ts';
import { UndecodableRecords } from './reporting/undecodable-records.ts';
import { beginWait } from './wait-graph.ts';
import { IdleWaiters } from './workers/idle-waiters.ts';
import type { PoolClient, WorkerPool } from './workers/worker-pool.ts';
import { Workers } from './workers/workers.ts';

/**
 * The queue of one subscription: takes events in, and starts their handlers as far as order, workers and the transport allow.
 * Every delivery of every engine goes through such a queue. {@link Outcomes} decides what happens after each attempt.
 */
export class DeliveryQueue implements Receiver, DeliveryOwner, OutcomeQueue, PoolClient, FlowFollower {
  onRoom: (() => void) | undefined = undefined;
  mayBegin: (() => boolean) | undefined = undefined;
  closeReason: DropReason | undefined = undefined;
  returnsAtOnce: boolean | undefined = undefined;
  readonly subscription: Subscription;
  readonly engine: string;
  readonly node: object;
  readonly workers: Workers;
  readonly #policy: DeliveryPolicy;
  readonly #flow: SubscriptionFlow;
  readonly #reporter: Reporter;
  readonly #deadLetters: DeadLetterWriter;
  readonly #deliveries: Deliveries;
  readonly #outcomes: Outcomes;
  readonly #undecodable: UndecodableRecords;
  readonly #idle = new IdleWaiters(() => this.unsettled === 0);
  /** An event that came while no other was here. It can expire only if it does not begin at once, and then the clock is read. */
  #arrived: Delivery | undefined = undefined;
  #concurrency: number;
  /** How many handlers may run now: none while the subscription is paused. */
  #limit = 0;
  #isFinishing = false;
  readonly #batching: Batching | undefined;
  readonly #beginAll: () => void;
  #pumping = false;
  #pumpScheduled = false;

  constructor(
    subscription: Subscription,
    policy: DeliveryPolicy,
    flow: SubscriptionFlow,
    reporter: Reporter,
    deadLetters: DeadLetterWriter,
    pool?: WorkerPool,
  ) {
    this.subscription = subscription;
    this.engine = reporter.engine;
    this.workers = new Workers(pool, flow.gate);
    this.node = flow.gate ?? this;
    this.#policy = policy;
    this.#concurrency = policy.concurrency;
    this.#flow = flow;
    this.#reporter = reporter;
    this.#deadLetters = deadLetters;
    this.#deliveries = new Deliveries(!policy.isAsync, policy.batch !== undefined, this.workers);
    this.#outcomes = new Outcomes(this, this.#deliveries, policy, reporter, deadLetters);
    this.#undecodable = new UndecodableRecords(this, reporter, deadLetters, () => {
      this.#deliveries.position++;
      this.notifyRoom();
      this.notifyEnd();
    });
    const { batch } = policy;
    this.#batching = batch === undefined ? undefined : new Batching(batch, () => this.pump());
    this.#beginAll = batch === undefined ? this.#beginEach : this.#beginBatches;
    flow.follow(this);
    this.flowChanged();
  }

  get isPaused(): boolean {
    return this.#flow.isPaused && !this.#isFinishing;
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
    if (this.#deliveries.backlog.size > 0) this.#pumpSoon();
  }

  /** Ignores pauses, and waits for no batch to be full: for an engine that handles what is queued before it stops. */
  finish(): void {
    this.#isFinishing = true;
    this.#batching?.finish();
    this.flowChanged();
  }

  /** Accepted events whose handler is not running. */
  get queued(): number {
    return this.#deliveries.waiting;
  }

  get running(): number {
    return this.#deliveries.running.size;
  }

  /** Events and records that are not settled: queued or running, or not an event and not a dead letter yet. */
  get unsettled(): number {
    return this.#deliveries.waiting + this.#deliveries.running.size + this.#undecodable.size;
  }

  /** How many of the queued events wait for another attempt, or for their dead letter to be written. */
  get deferred(): number {
    return this.#deliveries.parked.size;
  }

  get capacity(): number {
    return this.#policy.bufferSize - this.#deliveries.waiting - this.#undecodable.size;
  }

  deliver(event: Event, acknowledgement: Acknowledgement, previousAttempts = 0): void {
    this.enqueue(event, acknowledgement, previousAttempts);
    this.run();
  }

  enqueue(event: Event, acknowledgement: Acknowledgement, previousAttempts = 0): void {
    if (this.closeReason !== undefined) {
      acknowledgement.release();
    } else if (this.wants(event)) {
      this.#reporter.enqueued();
      const delivery = new Delivery(event, this, acknowledgement, previousAttempts);
      if (this.#policy.ttlMs !== undefined) {
        if (this.unsettled === 0) this.#arrived = delivery;
        else this.#expireLater(delivery, this.#policy.ttlMs);
      }
      this.#deliveries.add(delivery);
    } else {
      acknowledgement.settled();
    }
  }

  wants(event: Event): boolean {
    const { group, tenant } = this.#policy;
    return isMeantFor(group, event.metadata) && (tenant === undefined || tenantOf(event) === tenant);
  }

  run(): void {
    if (!this.#policy.isAsync) this.pump();
    // In a microtask: the publisher does not wait for an async handler, not even for its synchronous part.
    else this.#pumpSoon();
  }

  #pumpSoon(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    queueMicrotask(this.#scheduledPump);
  }

  undecodable(record: RawRecord, acknowledgement: Acknowledgement): void {
    this.#undecodable.add(record, acknowledgement);
  }

  drop(event: Event, reason: DropReason): void {
    if (!this.wants(event)) return;
    this.#reporter.enqueued();
    this.#reporter.dropped(event, reason);
  }

  withdraw(): void {
    this.#undecodable.withdraw();
    const { running, parked } = this.#deliveries;
    for (const delivery of [...running.all, ...parked]) delivery.isWithdrawn = true;
    this.#outcomes.releaseBacklog();
    this.#releaseParked();
    // An event that was delivered when room appeared may have waited for a key that is free only now.
    this.run();
  }

  #releaseParked(): void {
    for (const delivery of [...this.#deliveries.parked]) {
      // A parked delivery without a timer waits for its dead letter, which is being written: it is not released.
      if (delivery.timer !== undefined) this.#outcomes.release(delivery);
    }
  }

  beginWait(): EndWait | boolean {
    return beginWait(this.node);
  }

  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      if (this.closeReason !== undefined) this.#releaseQueued();
      if (this.returnsAtOnce === true && this.#deliveries.backlog.size > 1) inOnePass(this.#beginAll);
      else this.#beginAll();
    } finally {
      this.#pumping = false;
    }
  }

  readonly #beginEach = (): void => {
    const { running, backlog } = this.#deliveries;
    while (
      running.size < this.#limit &&
      backlog.size > 0 &&
      (this.mayBegin === undefined || this.mayBegin()) &&
      this.workers.tryAcquire(this)
    ) {
      const delivery = this.#takeReady();
      if (delivery === undefined) this.workers.release();
      else this.#begin(delivery);
    }
    this.#noteArrival();
  };

  readonly #beginBatches = (): void => {
    const { running, backlog } = this.#deliveries;
    const batching = this.#batching!;
    while (
      running.size < this.#limit &&
      batching.mayBegin(backlog.size, this.capacity <= 0) &&
      (this.mayBegin === undefined || this.mayBegin())
    ) {
      batching.begun();
      this.#beginBatch(batching.policy);
    }
    this.#noteArrival();
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

  #noteArrival(): void {
    if (this.#arrived?.state === 'queued') this.#expireLater(this.#arrived, this.#policy.ttlMs!);
    this.#arrived = undefined;
  }

  #expireLater(delivery: Delivery, ttlMs: number): void {
    delivery.expiresAt = performance.now() + ttlMs;
  }

  readonly #scheduledPump = (): void => {
    this.#pumpScheduled = false;
    this.pump();
  };

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

  #begin(delivery: Delivery): void {
    if (this.#beginAttempt(delivery)) runAttempt(delivery, this.#policy, this.#outcomes);
  }

  /** @returns False if its attempts were used up before it came here. */
  #beginAttempt(delivery: Delivery): boolean {
    // With one handler at a time nothing can overtake a running event: its key is held only from its first failure on.
    if (this.#concurrency > 1) this.#deliveries.backlog.holdKey(delivery);
    this.#deliveries.begin(delivery);
    this.notifyRoom();
    if (delivery.attempt >= this.#policy.retry.attempts) {
      this.#outcomes.countExceeded(delivery);
      return false;
    }
    delivery.beginAttempt(timeOfCall());
    this.#outcomes.reportBegun(delivery);
    this.#reporter.attempt(delivery);
    return true;
  }

  notifyRoom(): void {
    if (this.capacity !== 1) return;
    try {
      this.onRoom?.();
    } catch (error) {
      this.#reporter.fault(error);
    }
  }

  notifyEnd(): void {
    this.#idle.check();
  }

  /**
   * Takes no more events, and releases those whose handler is not running. Events behind the ordering key of a running handler
   * are released when that has settled, so that no other consumer handles them at the same time.
   */
  close(reason: DropReason): void {
    this.closeReason ??= reason;
    this.workers.forget(this);
    this.#undecodable.close();
    this.#batching?.close();
    this.#holdRunningKeys();
    this.#releaseParked();
    this.pump();
    this.#flushLogs();
  }

  #holdRunningKeys(): void {
    for (const delivery of this.#deliveries.running.all) this.#deliveries.backlog.holdKey(delivery);
  }

  #releaseQueued(): void {
    const { backlog } = this.#deliveries;
    for (let next = backlog.shift(); next !== undefined; next = backlog.shift()) this.#outcomes.release(next);
  }

  #flushLogs(): void {
    this.#reporter.flush();
    this.#deadLetters.flush();
  }

  /** How far the subscription is, for the stall watch of the engine. */
  progress(): Iterable<ReadProgress> {
    return queueProgress(
      this.subscription,
      this.#deliveries,
      this.#undecodable,
      this.mayBegin,
      this.capacity <= 0,
      this.isPaused || this.#batching?.isFilling === true,
    );
  }

  /** Resolves when nothing runs or waits. */
  whenIdle(): Promise<void> {
    return this.#idle.wait();
  }

  /** Aborts the signals of running handlers, and releases all events. */
  abandon(error: unknown): void {
    this.close('stopped');
    for (const delivery of [...this.#deliveries.running.all, ...this.#deliveries.parked]) {
      delivery.context?.abort(error);
      if (delivery.state === 'running') this.#reporter.attempted(delivery, 'released');
      this.#outcomes.release(delivery);
    }
    this.#undecodable.abandon();
    this.pump();
    this.#flushLogs();
  }
}
