import type { DropReason } from '../contract/observing.ts';
import type { Subscription } from '../contract/bus.ts';
import type { Event } from '../contract/event.ts';
import { DeliveryCountExceededError } from '../errors/errors.ts';
import { isMeantFor } from '../dead-letters/redrive-target.ts';
import { backoffMs, isRetryable } from '../contract/retry.ts';
import { tenantOf } from '../contract/tenant.ts';
import type { Acknowledgement, EndWait, RawRecord, ReadProgress, Receiver } from '../contract/transport.ts';
import { type AttemptEnd, runAttempt } from './attempt.ts';
import { Backlog } from './backlog.ts';
import { Delivery, never } from './delivery.ts';
import type { DeliveryPolicy } from './delivery-policy.ts';
import { GiveBack } from './give-back.ts';
import { IdleWaiters } from './workers/idle-waiters.ts';
import type { Reporter } from './reporting/reporter.ts';
import { Running } from './running.ts';
import { UndecodableRecords } from './reporting/undecodable-records.ts';
import { beginWait } from './wait-graph.ts';
import type { WorkerPool } from './workers/worker-pool.ts';
import { Workers } from './workers/workers.ts';

type End = 'handled' | 'expired' | 'given back';

/**
 * One subscription's events: queued, put in order, handled, retried, dead-lettered, settled and counted. Every delivery
 * of every engine goes through here.
 *
 * An event takes the way queued → running → done; between two attempts, and while its dead letter is being written, it is
 * parked.
 */
export class DeliveryQueue implements Receiver, AttemptEnd {
  onRoom: (() => void) | undefined = undefined;
  mayBegin: (() => boolean) | undefined = undefined;
  readonly subscription: Subscription;
  /** The name of the engine. */
  readonly engine: string;
  /** What this queue is in the wait graph: queues that share a gate get on only together. */
  readonly node: object;
  readonly workers: Workers;
  readonly #policy: DeliveryPolicy;
  readonly #reporter: Reporter;
  readonly #backlog: Backlog;
  readonly #parked = new Set<Delivery>();
  readonly #running = new Running();
  readonly #idle = new IdleWaiters(
    () => this.#running.size === 0 && this.#queued === 0 && this.#undecodable.size === 0,
  );
  readonly #undecodable: UndecodableRecords;
  #queued = 0;
  /** Counts what begins and ends here. */
  #moves = 0;
  #closed: DropReason | undefined = undefined;
  #pumping = false;
  #pumpScheduled = false;

  constructor(
    subscription: Subscription,
    policy: DeliveryPolicy,
    reporter: Reporter,
    pool?: WorkerPool,
    gate?: WorkerPool,
  ) {
    this.subscription = subscription;
    this.engine = reporter.engine;
    this.#policy = policy;
    this.#backlog = new Backlog(!policy.isAsync);
    this.#reporter = reporter;
    this.#undecodable = new UndecodableRecords(reporter, () => {
      this.#moves++;
      this.#tellRoom();
      this.#idle.check();
    });
    this.workers = new Workers(pool, gate);
    this.node = gate ?? this;
  }

  /** Accepted events whose handler is not running. */
  get queued(): number {
    return this.#queued;
  }

  get running(): number {
    return this.#running.size;
  }

  /** Of the queued: those between two attempts, or whose dead letter is being written. */
  get deferred(): number {
    return this.#parked.size;
  }

  get capacity(): number {
    return this.#policy.bufferSize - this.#queued - this.#undecodable.size;
  }

  deliver(event: Event, acknowledgement: Acknowledgement, previousAttempts = 0): void {
    this.enqueue(event, acknowledgement, previousAttempts);
    this.run();
  }

  enqueue(event: Event, acknowledgement: Acknowledgement, previousAttempts = 0): void {
    if (this.#closed !== undefined) {
      acknowledgement.release();
    } else if (this.wants(event)) {
      this.#reporter.enqueued();
      this.#queued++;
      const delivery = new Delivery(event, this, acknowledgement, previousAttempts);
      if (this.#policy.ttlMs !== undefined) delivery.expiresAt = performance.now() + this.#policy.ttlMs;
      this.#backlog.push(delivery);
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
    else if (!this.#pumpScheduled) {
      // Not here and now: the publisher does not wait for an async handler, not even for its first lines.
      this.#pumpScheduled = true;
      queueMicrotask(this.#scheduledPump);
    }
  }

  undecodable(record: RawRecord, acknowledgement: Acknowledgement): void {
    this.#undecodable.deal(record, acknowledgement);
  }

  drop(event: Event, reason: DropReason): void {
    if (!this.wants(event)) return;
    this.#reporter.enqueued();
    this.#reporter.dropped(event, reason);
  }

  withdraw(): void {
    for (const delivery of this.#backlog.takeAll()) this.#giveBack(delivery);
    // Without a timer its dead letter is being written: that is no longer to be had.
    for (const delivery of [...this.#parked]) if (delivery.timer !== undefined) this.#giveBack(delivery);
    // What was handed over as room appeared may have waited for a key that is free only now.
    this.run();
  }

  beginWait(): EndWait | boolean {
    return beginWait(this.node);
  }

  /** Runs what may run now. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      if (this.#closed !== undefined) this.#giveBackQueued();
      while (
        this.#running.size < this.#policy.concurrency &&
        !this.#backlog.isEmpty &&
        (this.mayBegin === undefined || this.mayBegin()) &&
        this.workers.tryAcquire(this)
      ) {
        const delivery = this.#takeReady();
        if (delivery === undefined) this.workers.release();
        else this.#run(delivery);
      }
    } finally {
      this.#pumping = false;
    }
  }

  readonly #scheduledPump = (): void => {
    this.#pumpScheduled = false;
    this.pump();
  };

  #takeReady(): Delivery | undefined {
    for (;;) {
      const delivery = this.#backlog.shift();
      if (delivery === undefined || delivery.expiresAt === never || delivery.expiresAt >= performance.now()) {
        return delivery;
      }
      this.#finish(delivery, 'expired');
    }
  }

  #run(delivery: Delivery): void {
    const { concurrency, retry } = this.#policy;
    // With one handler at a time nothing can overtake a running event, so a lane is held only from its first failure on.
    if (concurrency > 1) this.#backlog.holdLane(delivery);
    this.#running.add(delivery);
    this.#moves++;
    this.#left();
    if (delivery.attempt >= retry.attempts) {
      delivery.state = 'running';
      delivery.firstFailedAt = delivery.lastFailedAt = Date.now();
      this.#exhausted(delivery, new DeliveryCountExceededError(delivery.source.topic, delivery.attempt));
      return;
    }
    delivery.beginAttempt();
    this.#tellBegun(delivery);
    this.#reporter.attempt(delivery);
    runAttempt(delivery, this.#policy, this);
  }

  #tellBegun({ acknowledgement, attempt }: Delivery): void {
    try {
      acknowledgement.begun?.(attempt);
    } catch (error) {
      this.#reporter.fault(error);
    }
  }

  /** An attempt's outcome. */
  succeeded(delivery: Delivery): void {
    this.#reporter.attempted(delivery, 'success');
    this.#endAttempt(delivery);
    this.#settle(delivery);
  }

  /** An attempt's outcome. */
  failed(delivery: Delivery, error: unknown, isTimeout = false): void {
    this.#reporter.attempted(delivery, isTimeout ? 'timeout' : GiveBack.is(error) ? 'released' : 'failure');
    this.#endAttempt(delivery);
    if (GiveBack.is(error)) {
      // Nothing failed: whoever gets it next still has this attempt.
      delivery.attempt--;
      this.#tellBegun(delivery);
      this.#giveBack(delivery);
      this.pump();
      return;
    }
    const now = Date.now();
    delivery.firstFailedAt ||= now;
    delivery.lastFailedAt = now;
    const { retry } = this.#policy;
    if (!isRetryable(retry, delivery.attempt, error)) {
      this.#exhausted(delivery, error);
      return;
    }
    const delay = backoffMs(retry, delivery.attempt);
    this.#reporter.retrying(delivery, error, delay);
    this.#parkFor(delivery, delay, () => this.#resume(delivery));
  }

  #endAttempt(delivery: Delivery): void {
    if (delivery.timer !== undefined) clearTimeout(delivery.timer);
    delivery.timer = undefined;
    delivery.event?.complete();
    delivery.event = undefined;
  }

  /** Out of its handler but not settled: keeps its lane, and gives its worker to others. */
  #park(delivery: Delivery): void {
    if (delivery.state !== 'running') return;
    this.#backlog.holdLane(delivery);
    this.#stopRunning(delivery);
    delivery.state = 'parked';
    this.#parked.add(delivery);
    this.#queued++;
  }

  #parkFor(delivery: Delivery, delayMs: number, then: () => void): void {
    this.#park(delivery);
    if (this.#closed !== undefined) this.#giveBack(delivery);
    else delivery.timer = setTimeout(then, delayMs);
    this.pump();
  }

  #resume(delivery: Delivery): void {
    delivery.timer = undefined;
    delivery.state = 'queued';
    this.#parked.delete(delivery);
    this.#backlog.resume(delivery);
    this.pump();
  }

  #exhausted(delivery: Delivery, error: unknown): void {
    delivery.timer = undefined;
    delivery.isExhausted = true;
    const writing = this.#reporter.exhausted(delivery, error);
    if (writing === undefined) {
      this.#settle(delivery);
      return;
    }
    this.#park(delivery);
    writing.then(
      () => this.#settle(delivery),
      () => {
        // Not acknowledged until its dead letter is written: try again, and let nothing of its lane pass.
        if (delivery.state !== 'done') {
          const delay = Math.max(100, backoffMs(this.#policy.retry, delivery.attempt));
          this.#parkFor(delivery, delay, () => this.#exhausted(delivery, error));
        }
      },
    );
    this.pump();
  }

  #stopRunning(delivery: Delivery): void {
    this.#running.remove(delivery);
    // While its handler waited its worker was lent out, and the wait that is still open will not take it back.
    this.workers.release(delivery.waits > 0);
    delivery.waits = 0;
  }

  #settle(delivery: Delivery): void {
    if (delivery.state === 'done') return;
    this.#finish(delivery, 'handled');
    this.pump();
  }

  /** Ends a delivery that will not be settled here. */
  #giveBack(delivery: Delivery): void {
    if (delivery.state !== 'done') this.#finish(delivery, 'given back');
  }

  #finish(delivery: Delivery, end: End): void {
    this.#moves++;
    if (delivery.state === 'running') {
      this.#stopRunning(delivery);
    } else {
      if (delivery.state === 'parked') this.#parked.delete(delivery);
      this.#left();
    }
    if (delivery.timer !== undefined) clearTimeout(delivery.timer);
    delivery.timer = undefined;
    delivery.event = undefined;
    delivery.state = 'done';
    this.#backlog.freeLane(delivery);
    try {
      this.#report(delivery, end);
    } catch (error) {
      this.#reporter.fault(error);
    }
    this.#idle.check();
  }

  #report({ source, acknowledgement }: Delivery, end: End): void {
    if (end === 'given back') {
      if (acknowledgement.release()) this.#reporter.released();
      else this.#reporter.dropped(source, this.#closed ?? 'unsubscribed');
      return;
    }
    if (end === 'handled') this.#reporter.delivered();
    else this.#reporter.dropped(source, 'expired');
    // An expired one too is over for its publisher, which may wait for it, and for its broker, which is not to send it again.
    acknowledgement.settled();
  }

  /** One event fewer is waiting. */
  #left(): void {
    this.#queued--;
    this.#tellRoom();
  }

  #tellRoom(): void {
    if (this.capacity !== 1) return;
    try {
      this.onRoom?.();
    } catch (error) {
      this.#reporter.fault(error);
    }
  }

  /**
   * Takes no more events, and gives back those whose handler is not running. Those of a lane that a running handler holds
   * follow when it has settled, so that nobody else runs them beside it.
   */
  close(reason: DropReason): void {
    this.#closed ??= reason;
    this.workers.forget(this);
    this.#undecodable.close();
    for (const delivery of this.#running.all) this.#backlog.holdLane(delivery);
    for (const delivery of [...this.#parked]) {
      // Without a timer its dead letter is being written: that is waited for.
      if (delivery.timer !== undefined) this.#giveBack(delivery);
    }
    this.pump();
    this.#reporter.flush();
  }

  #giveBackQueued(): void {
    for (let next = this.#backlog.shift(); next !== undefined; next = this.#backlog.shift())
      this.#giveBack(next);
  }

  /**
   * How far it is, for the watch over the engine. A dead letter that cannot be written, and a handler with events of its key behind it, are
   * places of their own: events of other keys go on beside them.
   */
  *progress(): Iterable<ReadProgress> {
    const { id, topic } = this.subscription;
    const subscription = `the subscription ${id} to "${topic}"`;
    yield { source: subscription, position: this.#moves, behind: this.#behind() };
    const exhausted = [...this.#parked].filter(({ isExhausted }) => isExhausted);
    const unwritten = (count: number): string => `${count} dead letter(s) could not be written yet`;
    if (exhausted.length > 0) {
      const [oldest] = exhausted;
      const behind = unwritten(exhausted.length);
      yield { source: `a dead letter of ${subscription}`, position: oldest!.source.id, behind };
    }
    const { oldest, size } = this.#undecodable;
    if (oldest !== undefined)
      yield {
        source: `a record that is no event of ${subscription}`,
        position: oldest,
        behind: unwritten(size),
      };
    for (const delivery of this.#running.all) {
      const waiting = this.#backlog.behind(delivery);
      if (waiting === 0) continue;
      const source = `the handler of the event ${delivery.source.id} in ${subscription}`;
      yield { source, position: delivery.attempt, behind: `${waiting} event(s) of its key wait behind it` };
    }
  }

  /** What keeps all of its events, other than the time until another attempt. */
  #behind(): string | undefined {
    const waiting = this.#queued - this.#parked.size;
    const running = this.#running.size;
    if (waiting === 0 || (running === 0 && this.#backlog.isEmpty)) return undefined;
    if (running > 0) return `${waiting} event(s) wait behind ${running} handler(s) that have not settled`;
    if (this.mayBegin?.() === false) return `${waiting} event(s) wait until it is sure that they are its own`;
    return `${waiting} event(s) wait for a worker`;
  }

  /** Resolves when nothing runs or waits. */
  whenIdle(): Promise<void> {
    return this.#idle.wait();
  }

  /** Gives up on everything: aborts the signals of running handlers and gives their events back. */
  abandon(error: unknown): void {
    this.close('stopped');
    for (const delivery of [...this.#running.all, ...this.#parked]) {
      delivery.context?.abort(error);
      if (delivery.state === 'running') this.#reporter.attempted(delivery, 'released');
      this.#giveBack(delivery);
    }
    this.pump();
    this.#reporter.flush();
  }
}
