import type {
  AttemptOutcome,
  DeliveryData,
  DropReason,
  FailureData,
  Logger,
} from '../../contract/observing.ts';
import type { EngineHost } from '../../contract/engine.ts';
import { publishFitting } from '../../dead-letters/cut-dead-letter.ts';
import {
  type Failure,
  createDeadLetter,
  createRawDeadLetter,
  deadLetterTopic,
  isDeadLetterTopic,
} from '../../dead-letters/dead-letter.ts';
import { describeError } from '../../errors/describe-error.ts';
import type { Event, PublishedEvent } from '../../contract/event.ts';
import { adaptedLogger } from '../../logging/adapted-logger.ts';
import { BurstLog } from '../../logging/logger.ts';
import type { RawRecord } from '../../contract/transport.ts';
import type { Counters } from './counters.ts';
import { type Delivery, currentDelivery } from '../delivery.ts';

/** What a reporter says of the subscription it reports on. */
export interface ReportedSubscription {
  readonly id: string;
  readonly topic: string;
  readonly group: string | undefined;
  /** A topic; true for the default topic of each event; false to log and count. */
  readonly deadLetter: string | boolean;
}

/** Counts what happens to one subscription's events, tells the observer, logs, and writes dead letters. */
export class Reporter {
  readonly #counters: Counters;
  readonly #host: EngineHost;
  readonly #logger: Logger;
  readonly #subscription: ReportedSubscription;
  readonly #drops: BurstLog;
  readonly #discards: BurstLog;
  readonly #unwritten: BurstLog;

  constructor(counters: Counters, host: EngineHost, subscription: ReportedSubscription) {
    this.#counters = counters;
    this.#host = host;
    this.#logger = adaptedLogger(host.logger);
    this.#subscription = subscription;
    const { id, topic, group } = subscription;
    const about = { engine: host.name, subscription: id, topic, ...(group === undefined ? {} : { group }) };
    this.#drops = new BurstLog((count, fields) =>
      this.#logger.warn(`dropped ${count} event(s)`, { ...about, ...fields }),
    );
    this.#discards = new BurstLog((count, fields) =>
      this.#logger.error(`a handler failed; ${count} event(s) discarded`, { ...about, ...fields }),
    );
    this.#unwritten = new BurstLog((count, fields) =>
      this.#logger.error(`${count} dead letter(s) could not be written; each will be tried again`, {
        ...about,
        ...fields,
      }),
    );
  }

  /** The name of the engine. */
  get engine(): string {
    return this.#host.name;
  }

  enqueued(): void {
    this.#counters.enqueued++;
  }

  delivered(): void {
    this.#counters.delivered++;
  }

  released(): void {
    this.#counters.enqueued--;
    this.#counters.released++;
  }

  dropped(event: Event, reason: DropReason): void {
    this.#counters.dropped++;
    this.#drops.add({ reason, event: event.id, eventTopic: event.topic });
    const { observer } = this.#host;
    if (observer.active) observer.failed({ ...this.#about(event, 0), outcome: 'dropped', reason });
  }

  /** A handler is about to be called. */
  attempt(delivery: Delivery): void {
    if (delivery.attempt > 1) this.#counters.retried++;
    const { observer } = this.#host;
    if (observer.active) observer.received(this.#about(delivery.source, delivery.attempt));
    delivery.startedAt = observer.attempted === undefined ? 0 : performance.now();
  }

  /** A handler has ended, or is given up. */
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
      ...this.#about(delivery.source, delivery.attempt),
      retryInMs,
      error,
    });
    this.#failed(delivery, error, { outcome: 'retry', retryInMs });
  }

  /**
   * Deals with an event whose attempts are used up.
   *
   * @returns undefined where that is done; else a promise of the dead letter being written.
   */
  exhausted(delivery: Delivery, error: unknown): Promise<void> | undefined {
    const topic = this.#deadLetterTopic(delivery.source.topic);
    if (topic === undefined) {
      this.#counters.failed++;
      const { source, attempt } = delivery;
      this.#discards.add({ event: source.id, eventTopic: source.topic, attempts: attempt, error });
      this.#failed(delivery, error, { outcome: 'discarded' });
      return undefined;
    }
    const failure = this.#failure(delivery, error);
    delivery.isWritingDeadLetter = true;
    // As the delivery, so that a publish which waits for handlers does not wait for those that wait for this one.
    const writing = currentDelivery.run(delivery, () =>
      this.#writeDeadLetter(createDeadLetter(delivery.source, topic, failure)),
    );
    const written = (): void => void (delivery.isWritingDeadLetter = false);
    void writing.then(written, written);
    return writing.then(() => {
      if (delivery.state === 'done') return;
      this.#counters.failed++;
      this.#counters.deadLettered++;
      const { source, attempt } = delivery;
      this.#logger.warn('a handler failed and the attempts are used up: the event has a dead letter', {
        engine: this.#host.name,
        topic: source.topic,
        id: source.id,
        group: this.#subscription.group,
        subscription: this.#subscription.id,
        attempts: attempt,
        deadLetter: topic,
        error,
      });
      this.#failed(delivery, error, { outcome: 'dead-letter' });
    });
  }

  /** Deals with a record that is not an event; rejects where its dead letter could not be written. */
  async undecodable(record: RawRecord): Promise<void> {
    const topic = this.#deadLetterTopic(record.topic);
    const { onUndecodable, observer } = this.#host;
    if (onUndecodable !== undefined) {
      await this.#handOver(record, onUndecodable);
    } else if (topic !== undefined) {
      const now = Date.now();
      const failure: Failure = {
        engine: this.#host.name,
        group: this.#subscription.group,
        subscription: this.#subscription.id,
        attempts: 0,
        error: record.error,
        firstFailedAt: now,
        lastFailedAt: now,
      };
      await this.#writeDeadLetter(createRawDeadLetter(record, topic, failure));
      this.#counters.deadLettered++;
    }
    this.#logger.warn('a record could not be decoded', {
      topic: record.topic,
      error: record.error.message,
    });
    this.#counters.enqueued++;
    this.#counters.delivered++;
    this.#counters.failed++;
    if (!observer.active) return;
    const isWritten = onUndecodable === undefined && topic !== undefined;
    const { name, message } = record.error;
    observer.failed({
      topic: record.topic,
      engine: this.#host.name,
      key: record.key,
      subscription: this.#subscription.id,
      group: this.#subscription.group,
      attempt: 0,
      outcome: isWritten ? 'dead-letter' : 'discarded',
      error: { name, message },
    });
  }

  async #handOver(record: RawRecord, hook: NonNullable<EngineHost['onUndecodable']>): Promise<void> {
    try {
      await hook(record);
    } catch (error) {
      this.#logger.error(
        'onUndecodable failed; it gets the record again, and the record is not acknowledged',
        {
          engine: this.#host.name,
          topic: record.topic,
          error,
        },
      );
      throw error;
    }
  }

  /** Counts and logs a record that is no event, and that its broker does not keep either. */
  droppedRaw({ topic, error }: RawRecord): void {
    this.#counters.enqueued++;
    this.#counters.dropped++;
    this.#logger.error(
      'a record that could not be decoded is lost: its dead letter was not written in time',
      {
        engine: this.#host.name,
        topic,
        error: error.message,
      },
    );
  }

  /** A transport that threw where it must not. */
  fault(error: unknown): void {
    this.#logger.error('the transport threw while it was told what became of an event', {
      engine: this.#host.name,
      error,
    });
  }

  /** Logs what the one-line-a-second rule held back. */
  flush(): void {
    this.#drops.flush();
    this.#discards.flush();
    this.#unwritten.flush();
  }

  /** Undefined where the event is to be discarded. */
  #deadLetterTopic(topic: string): string | undefined {
    const { deadLetter } = this.#subscription;
    if (deadLetter === false) return undefined;
    // A dead letter whose handler fails stays where it is: dead letters of dead letters would never end.
    if (deadLetter === true) return isDeadLetterTopic(topic) ? undefined : deadLetterTopic(topic);
    return deadLetter === topic ? undefined : deadLetter;
  }

  async #writeDeadLetter(letter: PublishedEvent): Promise<void> {
    try {
      await publishFitting(letter, (fitting) => this.#host.publishDeadLetter(fitting));
    } catch (error) {
      this.#unwritten.add({ topic: letter.topic, event: letter.id, error });
      throw error;
    }
  }

  #failure(delivery: Delivery, error: unknown): Failure {
    return {
      engine: this.#host.name,
      group: this.#subscription.group,
      subscription: this.#subscription.id,
      attempts: delivery.attempt,
      error,
      firstFailedAt: delivery.firstFailedAt,
      lastFailedAt: delivery.lastFailedAt,
    };
  }

  #failed(delivery: Delivery, error: unknown, outcome: Pick<FailureData, 'outcome' | 'retryInMs'>): void {
    const { observer } = this.#host;
    if (!observer.active) return;
    const { name, message } = describeError(error);
    observer.failed({
      ...this.#about(delivery.source, delivery.attempt),
      ...outcome,
      error: { name, message },
    });
  }

  #about(event: Event, attempt: number): DeliveryData {
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
