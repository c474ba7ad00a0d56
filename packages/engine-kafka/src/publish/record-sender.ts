import { type Logger, PolybusError } from '@polybus/core';
import { type PendingPublishes, backoffMs, isUnsettled, pause } from '@polybus/core/engine-kit';
import { KafkaFailure, isFailure } from '../client/failure.ts';
import type { KafkaClient, OnLate, OutgoingRecord, Refusal } from '../client/kafka-client.ts';
import type { TopicCatalog } from '../client/topic-catalog.ts';
import type { TopicLimits } from '../client/topic-limits.ts';
import { messageOf, publishError, tooLargeError } from '../errors.ts';
import { type Outgoing, type SizedRecord, byTopic } from './batching.ts';

export interface RecordSenderContext {
  readonly client: KafkaClient;
  readonly catalog: TopicCatalog;
  readonly limits: TopicLimits;
  readonly pending: PendingPublishes<SizedRecord>;
  readonly engine: string;
  readonly logger: Logger;
  readonly closing: AbortSignal;
}

/** Events to send again, in the order in which they were published. */
export interface Remainder {
  readonly events: readonly Outgoing[];
  readonly failure: KafkaFailure;
  /** True if the topic may have been deleted or replaced: see `relearn`. */
  readonly isUnknown: boolean;
}

/** @param settled - Resolves once the broker has answered, with the events to send again. */
export type OnLateEvents = (events: readonly Outgoing[], settled: Promise<Remainder | undefined>) => void;

const initialBackoffMs = 100;
const maxBackoffMs = 1000;

/** Sends the records of events to the cluster, settles each event by the answer, and sends refused events again. */
export class RecordSender {
  /** Answers that accepted an event. */
  answers = 0;
  readonly #context: RecordSenderContext;

  constructor(context: RecordSenderContext) {
    this.#context = context;
  }

  /**
   * Sends a batch once. Settles the events that were accepted or rejected for good, and returns the others. An event that was
   * accepted is never sent again.
   *
   * @param onLate - Called with the events of a broker that has not answered after a second; `attempt` then resolves without them.
   */
  async attempt(batch: readonly Outgoing[], onLate?: OnLateEvents): Promise<Remainder | undefined> {
    const events = batch.every(isUnsettled) ? batch : batch.filter(isUnsettled);
    if (events.length === 0) return undefined;
    if (onLate === undefined) return this.#settle(events, await this.#send(events));
    let answered = events;
    const refusals = await this.#send(events, (records, answer) => {
      const ofBroker = new Set(records);
      const late = events.filter(({ message }) => ofBroker.has(message.record));
      answered = answered.filter(({ message }) => !ofBroker.has(message.record));
      onLate(
        late,
        answer.then((refused) => this.#settle(late, refused)),
      );
    });
    return this.#settle(answered, refusals);
  }

  /** Sends a batch until each event is settled. */
  async deliverAll(batch: readonly Outgoing[]): Promise<void> {
    let events = batch;
    for (let attempt = 0; ; attempt++) {
      const remainder = await this.attempt(events);
      if (remainder === undefined) return;
      events = remainder.events;
      if (remainder.isUnknown) await this.relearn(events);
      if (!(await this.backOff(attempt, remainder.failure))) return;
    }
  }

  #send(events: readonly Outgoing[], onLate?: OnLate): Promise<readonly Refusal[]> {
    return this.#context.client.send(byTopic(events), onLate).catch((error: unknown) => {
      const failure = isFailure(error) ? error : new KafkaFailure('lasting', messageOf(error), error);
      return [{ records: events.map(({ message }) => message.record), failure }];
    });
  }

  async #settle(events: readonly Outgoing[], refusals: readonly Refusal[]): Promise<Remainder | undefined> {
    if (refusals.length < events.length) this.answers++;
    if (refusals.length === 0) {
      for (const outgoing of events) this.#context.pending.resolve(outgoing);
      return undefined;
    }
    const refused = this.#resolveAccepted(events, refusals);
    const again = new Set<Outgoing>();
    let last: KafkaFailure | undefined;
    let isUnknown = false;
    for (const [failure, ofFailure] of refused) {
      if (isFailure(failure, 'passing', 'unknown-topic', 'sequence')) {
        for (const outgoing of ofFailure) again.add(outgoing);
        isUnknown ||= failure.kind !== 'passing';
        last = failure;
      } else {
        await this.#divide(ofFailure, failure);
      }
    }
    if (last === undefined) return undefined;
    return { events: events.filter((outgoing) => again.has(outgoing)), failure: last, isUnknown };
  }

  /** Returns the refused events by their failure. */
  #resolveAccepted(
    events: readonly Outgoing[],
    refusals: readonly Refusal[],
  ): ReadonlyMap<KafkaFailure, readonly Outgoing[]> {
    const failures = new Map<OutgoingRecord, KafkaFailure>();
    for (const { records, failure } of refusals) for (const record of records) failures.set(record, failure);
    const refused = new Map<KafkaFailure, Outgoing[]>();
    for (const outgoing of events) {
      const failure = failures.get(outgoing.message.record);
      if (failure === undefined) {
        this.#context.pending.resolve(outgoing);
        continue;
      }
      const ofFailure = refused.get(failure);
      if (ofFailure === undefined) refused.set(failure, [outgoing]);
      else ofFailure.push(outgoing);
    }
    return refused;
  }

  /** Finds the events of a batch that the cluster cannot accept, so that it accepts the others. */
  async #divide(batch: readonly Outgoing[], failure: KafkaFailure): Promise<void> {
    if (batch.length === 1 || !isFailure(failure, 'too-large', 'invalid-record')) {
      this.rejectAll(batch, failure);
      return;
    }
    const half = batch.length >> 1;
    await this.deliverAll(batch.slice(0, half));
    await this.deliverAll(batch.slice(half));
  }

  /** Looks topics up again: a topic or a partition was deleted, or a new topic has the same name. */
  async relearn(batch: readonly Outgoing[]): Promise<void> {
    const { catalog, client, logger } = this.#context;
    try {
      await catalog.refresh();
      client.resetProducer();
      for (const topic of new Set(batch.map((outgoing) => outgoing.topic))) await catalog.ensure(topic);
    } catch (error) {
      if (PolybusError.is(error))
        this.rejectAll(
          batch.filter(({ topic }) => topic === error.topic),
          error,
        );
      else logger.debug?.('a topic could not be looked up', { error: messageOf(error) });
    }
  }

  /** Waits before the next attempt. Returns false if the engine closes meanwhile. */
  async backOff(attempt: number, failure: unknown): Promise<boolean> {
    const { logger, closing } = this.#context;
    logger.debug?.('events could not be sent and are sent again', { error: messageOf(failure) });
    return pause(backoffMs(attempt + 1, initialBackoffMs, maxBackoffMs), closing).then(
      () => true,
      () => false,
    );
  }

  rejectAll(batch: readonly Outgoing[], error: unknown): void {
    for (const outgoing of batch)
      if (!outgoing.isSettled) this.#context.pending.reject(outgoing, this.#typed(outgoing, error));
  }

  #typed(outgoing: Outgoing, error: unknown): PolybusError {
    if (PolybusError.is(error)) return error;
    if (isFailure(error, 'too-large')) return this.tooLarge(outgoing, error);
    return publishError(error, outgoing.topic, this.#context.engine);
  }

  tooLarge({ topic, message }: Outgoing, cause?: unknown): PolybusError {
    const { engine, limits } = this.#context;
    return tooLargeError(message.bytes, limits.known(topic), { topic, engine, cause });
  }
}
