import type { EngineHost } from '../../contract/engine.ts';
import type { Event } from '../../contract/event.ts';
import type {
  AttemptOutcome,
  DeliveryData,
  DropReason,
  FailureData,
  Logger,
} from '../../contract/observing.ts';
import type { RawRecord } from '../../contract/transport.ts';
import { describeError } from '../../errors/describe-error.ts';
import { adaptedLogger } from '../../logging/adapted-logger.ts';
import { BurstLog } from '../../logging/logger.ts';
import type { Delivery } from '../delivery.ts';
import type { Counters } from './counters.ts';

/** The subscription that a reporter reports on. */
export interface ReportedSubscription {
  readonly id: string;
  readonly topic: string;
  readonly group: string | undefined;
}

/** Reports what happens to the events of one subscription: counts it, notifies the observer, and logs. */
export class Reporter {
  readonly #counters: Counters;
  readonly #host: EngineHost;
  readonly #logger: Logger;
  readonly #subscription: ReportedSubscription;
  readonly #drops: BurstLog;
  readonly #discards: BurstLog;

  constructor(counters: Counters, host: EngineHost, subscription: ReportedSubscription) {
    this.#counters = counters;
    this.#host = host;
    this.#logger = adaptedLogger(host.logger);
    this.#subscription = subscription;
    const { id, topic, group } = subscription;
    const labels = { engine: host.name, subscription: id, topic, ...(group === undefined ? {} : { group }) };
    this.#drops = new BurstLog((count, fields) =>
      this.#logger.warn(`dropped ${count} event(s)`, { ...labels, ...fields }),
    );
    this.#discards = new BurstLog((count, fields) =>
      this.#logger.error(`a handler failed; ${count} event(s) discarded`, { ...labels, ...fields }),
    );
  }

  /** The name of the engine. */
  get engine(): string {
    return this.#host.name;
  }

  enqueued(): void {
    this.#counters.enqueued++;
  }

  settled(): void {
    this.#counters.settled++;
  }

  released(): void {
    this.#counters.enqueued--;
    this.#counters.released++;
  }

  dropped(event: Event, reason: DropReason): void {
    this.#counters.dropped++;
    this.#drops.add({ reason, event: event.id, eventTopic: event.topic });
    const { observer } = this.#host;
    if (observer.active) observer.failed({ ...this.#dataOf(event, 0), outcome: 'dropped', reason });
  }

  /** A handler is about to be called. */
  attempt(delivery: Delivery): void {
    if (delivery.attempt > 1) this.#counters.retried++;
    const { observer } = this.#host;
    if (observer.active) observer.received(this.#dataOf(delivery.source, delivery.attempt));
    delivery.startedAt = observer.attempted === undefined ? 0 : performance.now();
  }

  /** A handler has ended, or the queue has stopped waiting for it. */
  attempted(delivery: Delivery, outcome: AttemptOutcome): void {
    const { startedAt } = delivery;
    if (startedAt === 0) return;
    delivery.startedAt = 0;
    this.#host.observer.attempted?.({
      topic: delivery.source.topic,
      pattern: this.#subscription.topic,
      engine: this.#host.name,
      subscription: this.#subscription.id,
      group: this.#subscription.group,
      attempt: delivery.attempt,
      outcome,
      durationMs: performance.now() - startedAt,
    });
  }

  retrying(delivery: Delivery, error: unknown, retryInMs: number): void {
    this.#logger.debug?.('a handler failed and will be retried', {
      ...this.#dataOf(delivery.source, delivery.attempt),
      retryInMs,
      error,
    });
    this.#failed(delivery, error, { outcome: 'retry', retryInMs });
  }

  /** The attempts at an event are used up, and its subscription has no dead letters. */
  discarded(delivery: Delivery, error: unknown): void {
    this.#counters.failed++;
    const { source, attempt } = delivery;
    this.#discards.add({ event: source.id, eventTopic: source.topic, attempts: attempt, error });
    this.#failed(delivery, error, { outcome: 'discarded' });
  }

  /** The attempts at an event are used up, and its dead letter is written. */
  deadLettered(delivery: Delivery, error: unknown, deadLetter: string): void {
    this.#counters.failed++;
    this.#counters.deadLettered++;
    const { source, attempt } = delivery;
    this.#logger.warn('a handler failed on every attempt; the event is now a dead letter', {
      engine: this.#host.name,
      topic: source.topic,
      id: source.id,
      group: this.#subscription.group,
      subscription: this.#subscription.id,
      attempts: attempt,
      deadLetter,
      error,
    });
    this.#failed(delivery, error, { outcome: 'dead-letter' });
  }

  /** A record that is not an event is settled. */
  undecodable(record: RawRecord, hasDeadLetter: boolean): void {
    const { observer } = this.#host;
    if (hasDeadLetter) this.#counters.deadLettered++;
    this.#logger.warn('a record could not be decoded', {
      topic: record.topic,
      error: record.error.message,
    });
    this.#counters.enqueued++;
    this.#counters.settled++;
    this.#counters.failed++;
    if (!observer.active) return;
    const { name, message } = record.error;
    observer.failed({
      topic: record.topic,
      engine: this.#host.name,
      key: record.key,
      subscription: this.#subscription.id,
      group: this.#subscription.group,
      attempt: 0,
      outcome: hasDeadLetter ? 'dead-letter' : 'discarded',
      error: { name, message },
    });
  }

  /** A record that is not an event is lost: its broker does not keep it, and its dead letter was not written. */
  droppedRaw({ topic, error }: RawRecord): void {
    this.#counters.enqueued++;
    this.#counters.dropped++;
    this.#logger.error(
      'a record that could not be decoded is lost, because its dead letter was not written in time',
      {
        engine: this.#host.name,
        topic,
        error: error.message,
      },
    );
  }

  /** A call of the transport threw, which it must not. */
  fault(error: unknown): void {
    this.#logger.error('the transport threw when an event was settled or released', {
      engine: this.#host.name,
      error,
    });
  }

  /** Logs the messages that the limit of one line per second has held back. */
  flush(): void {
    this.#drops.flush();
    this.#discards.flush();
  }

  #failed(delivery: Delivery, error: unknown, outcome: Pick<FailureData, 'outcome' | 'retryInMs'>): void {
    const { observer } = this.#host;
    if (!observer.active) return;
    const { name, message } = describeError(error);
    observer.failed({
      ...this.#dataOf(delivery.source, delivery.attempt),
      ...outcome,
      error: { name, message },
    });
  }

  #dataOf(event: Event, attempt: number): DeliveryData {
    return {
      topic: event.topic,
      engine: this.#host.name,
      eventId: event.id,
      key: event.key,
      subscription: this.#subscription.id,
      group: this.#subscription.group,
      attempt,
    };
  }
}
