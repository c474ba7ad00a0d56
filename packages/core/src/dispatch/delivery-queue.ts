import type { Subscription } from '../contract/bus.ts';
import type { Event } from '../contract/event.ts';
import type { DropReason } from '../contract/observing.ts';
import { tenantOf } from '../contract/tenant.ts';
import type { Acknowledgement, EndWait, RawRecord, ReadProgress, Receiver } from '../contract/transport.ts';
import { isMeantFor } from '../dead-letters/redrive-target.ts';
import { Deliveries } from './backlog/deliveries.ts';
import { Delivery, type DeliveryOwner } from './delivery.ts';
import type { DeliveryPolicy } from './delivery-policy.ts';
import type { SubscriptionFlow } from './flow.ts';
import { HandlerStarts, type StartingQueue } from './handler-starts.ts';
import { type OutcomeQueue, Outcomes } from './outcomes.ts';
import { queueProgress } from './queue-progress.ts';
import type { DeadLetterWriter } from './reporting/dead-letter-writer.ts';
import type { Reporter } from './reporting/reporter.ts';
import { UndecodableRecords } from './reporting/undecodable-records.ts';
import { beginWait } from './wait-graph.ts';
import { IdleWaiters } from './workers/idle-waiters.ts';
import type { WorkerPool } from './workers/worker-pool.ts';
import { Workers } from './workers/workers.ts';

/**
 * The queue of one subscription: takes events in, until it is closed. Every delivery of every engine goes through such a queue.
 * {@link HandlerStarts} starts the handlers, and {@link Outcomes} decides what happens after each attempt.
 */
export class DeliveryQueue implements Receiver, DeliveryOwner, OutcomeQueue, StartingQueue {
  onRoom: (() => void) | undefined = undefined;
  mayBegin: (() => boolean) | undefined = undefined;
  closeReason: DropReason | undefined = undefined;
  returnsAtOnce: boolean | undefined = undefined;
  readonly subscription: Subscription;
  readonly engine: string;
  readonly node: object;
  readonly workers: Workers;
  readonly #policy: DeliveryPolicy;
  readonly #reporter: Reporter;
  readonly #deadLetters: DeadLetterWriter;
  readonly #deliveries: Deliveries;
  readonly #outcomes: Outcomes;
  readonly #starts: HandlerStarts;
  readonly #undecodable: UndecodableRecords;
  readonly #idle = new IdleWaiters(() => this.unsettled === 0);
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
    this.#reporter = reporter;
    this.#deadLetters = deadLetters;
    this.#deliveries = new Deliveries(!policy.isAsync, policy.batch !== undefined, this.workers);
    this.#outcomes = new Outcomes(this, this.#deliveries, policy, reporter, deadLetters);
    this.#starts = new HandlerStarts(this, this.#deliveries, this.#outcomes, policy, flow, reporter);
    this.#undecodable = new UndecodableRecords(this, reporter, deadLetters, () => {
      this.#deliveries.position++;
      this.notifyRoom();
      this.notifyEnd();
    });
  }

  get isPaused(): boolean {
    return this.#starts.isPaused;
  }

  /** How many events are handled at once. */
  get concurrency(): number {
    return this.#starts.concurrency;
  }

  /** Ignores pauses, and waits for no batch to be full: for an engine that handles what is queued before it stops. */
  finish(): void {
    this.#starts.finish();
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
      const { ttlMs } = this.#policy;
      if (ttlMs !== undefined) this.#starts.noteArrival(delivery, ttlMs, this.unsettled === 0);
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
    if (!this.#policy.isAsync) this.#starts.pump();
    // In a microtask: the publisher does not wait for an async handler, not even for its synchronous part.
    else this.#starts.pumpSoon();
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
    this.#starts.pump();
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
    this.#undecodable.close();
    this.#starts.close();
    this.#releaseParked();
    this.pump();
    this.#flushLogs();
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
      this.#starts.isHolding,
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
