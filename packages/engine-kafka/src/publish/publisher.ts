import { setMaxListeners } from 'node:events';
import { type Event, type Logger, PolybusError, PublishError } from '@polybus/core';
import type { ReadProgress } from '@polybus/core/engine';
import { Outbox, backoffMs } from '@polybus/core/engine-kit';
import { KafkaFailure, isFailure } from '../client/failure.ts';
import type { KafkaClient, OutgoingRecord } from '../client/kafka-client.ts';
import { RecordTooLargeError, messageOf, publishError } from '../errors.ts';
import type { ProducerOptions } from '../options/options.ts';
import { type Outgoing, type SizedRecord, byTopic, fitting, isUnsettled, laneOf } from './outgoing-batch.ts';
import { pause } from '../pause.ts';
import { encode, sizeOf } from '../read/record.ts';
import type { TopicCatalog } from '../client/topic-catalog.ts';
import { TopicLimits } from '../client/topic-limits.ts';

export interface PublisherContext {
  readonly client: KafkaClient;
  readonly catalog: TopicCatalog;
  readonly options: ProducerOptions;
  readonly source: string;
  readonly engine: string;
  readonly logger: Logger;
}

const none: ReadonlySet<string> = new Set();
const initialBackoffMs = 100;
const maxBackoffMs = 1000;

/** What is to be tried again. */
interface Rest {
  readonly events: readonly Outgoing[];
  readonly failure: KafkaFailure;
  readonly isUnknown: boolean;
}

/**
 * Sends events in batches: those that were published in the same turn, or within the linger window, and those that gathered
 * while the batch before was on its way. One batch at a time, and what is tried again holds up what is behind it of its key, so
 * that nothing is overtaken.
 */
export class Publisher {
  readonly #context: PublisherContext;
  readonly #limits: TopicLimits;
  readonly #outbox: Outbox<SizedRecord>;
  readonly #closing = new AbortController();
  readonly #preparing = new Map<string, Outgoing[]>();
  #queue: Outgoing[] = [];
  /** Events that were refused for a reason that passes. */
  #again: Outgoing[] = [];
  /** Their keys: what is published to these meanwhile stays behind. */
  #held = new Set<string>();
  #flushing: Promise<void> | undefined;
  #isRetrying = false;
  #linger: NodeJS.Timeout | undefined;
  /** Answers that accepted something. */
  #answers = 0;

  constructor(context: PublisherContext) {
    // As many as there are topics that are being created: no leak.
    setMaxListeners(0, this.#closing.signal);
    this.#context = context;
    this.#limits = new TopicLimits(context.client);
    const timeoutMs = context.options.requestTimeoutMs;
    this.#outbox = new Outbox({ timeoutMs, timedOut: ({ topic }) => this.#late(topic) });
  }

  send(event: Event, signal?: AbortSignal): Promise<void> {
    const { options, source } = this.#context;
    const record = encode(event, source, options.contentMode);
    const outgoing = this.#outbox.add(event.topic, { record, bytes: sizeOf(record) }, signal);
    this.#add(outgoing);
    return outgoing.settled;
  }

  /** Publishing that stands still is told like reading that does. */
  get progress(): ReadProgress {
    const waiting = this.#outbox.size;
    const behind = waiting === 0 ? undefined : `${waiting} events wait to be accepted`;
    return { source: 'publishing', position: this.#answers, behind };
  }

  #add(outgoing: Outgoing): void {
    const { topic } = outgoing;
    if (this.#isTooLarge(outgoing)) this.#limits.askAgain(topic);
    const waiting = this.#preparing.get(topic);
    if (waiting !== undefined) {
      waiting.push(outgoing);
    } else if (this.#context.catalog.has(topic) && this.#limits.knows(topic)) {
      this.#queue.push(outgoing);
      this.#schedule();
    } else {
      this.#preparing.set(topic, [outgoing]);
      void this.#prepare(topic);
    }
  }

  /** The topic is created, and known to the sending side, before the first event leaves; others do not wait for that. */
  async #prepare(topic: string): Promise<void> {
    const waiting = this.#preparing.get(topic)!;
    try {
      await this.#ready(topic, () => waiting.some(isUnsettled));
      this.#preparing.delete(topic);
      // One by one: there is a limit to how many arguments a call takes.
      for (const one of waiting) {
        if (!this.#isTooLarge(one)) this.#queue.push(one);
        else this.#outbox.reject(one, this.#tooLarge(one));
      }
      this.#schedule();
    } catch (error) {
      this.#preparing.delete(topic);
      this.#rejectAll(waiting, error);
    }
  }

  /** Not to be sent: what is larger than a broker takes in one request makes it end the connection that all use. */
  #isTooLarge({ topic, message: { bytes } }: Outgoing): boolean {
    const limit = this.#limits.known(topic);
    return limit !== undefined && bytes > limit && this.#context.options.compression === 'none';
  }

  #tooLarge({ topic, message: { bytes } }: Outgoing, cause?: unknown): RecordTooLargeError {
    const { engine } = this.#context;
    return new RecordTooLargeError(bytes, this.#limits.known(topic), { topic, engine, cause });
  }

  async #ready(topic: string, isWanted: () => boolean): Promise<void> {
    for (let attempt = 0; isWanted(); attempt++) {
      try {
        await this.#context.catalog.ensure(topic);
        await this.#limits.learn(topic);
        return;
      } catch (error) {
        if (!isFailure(error, 'passing', 'unknown-topic')) throw error;
        await this.#backOff(attempt, error);
      }
    }
  }

  #schedule(): void {
    if (this.#flushing !== undefined || this.#linger !== undefined) return;
    const { lingerMs } = this.#context.options;
    if (lingerMs === 0) {
      // Once the current turn has published all it will.
      this.#flushing = Promise.resolve().then(() => this.#flush());
    } else {
      this.#linger = setTimeout(() => {
        this.#linger = undefined;
        this.#flushing = this.#flush();
      }, lingerMs);
    }
  }

  async #flush(): Promise<void> {
    for (;;) {
      const batch = this.#closing.signal.aborted ? [] : this.#take();
      if (batch.length === 0) break;
      await this.#deliver(batch);
    }
    this.#flushing = undefined;
  }

  #take(): readonly Outgoing[] {
    const { taken, left } = fitting(this.#queue, this.#held, this.#limits);
    this.#queue = left;
    return taken;
  }

  async #deliver(batch: readonly Outgoing[]): Promise<void> {
    // What an idempotent producer tries again has to be the same request, and none may come between.
    if (this.#context.options.idempotent) return this.#deliverAll(batch);
    const rest = await this.#attempt(batch);
    if (rest === undefined) return;
    for (const one of rest.events) {
      this.#again.push(one);
      this.#held.add(laneOf(one));
    }
    if (!this.#isRetrying) void this.#retry(rest);
  }

  /** Tries again what was refused in passing, while all goes on that is of other keys. */
  async #retry(first: Rest): Promise<void> {
    this.#isRetrying = true;
    let rest: Rest | undefined = first;
    for (let attempt = 0; this.#again.length > 0;) {
      // Ended by close, which has rejected all.
      if (!(await this.#isToGoOn(attempt, rest?.failure))) return;
      const { taken, left } = fitting(this.#again, none, this.#limits);
      this.#again = left;
      if (rest?.isUnknown === true) await this.#relearn(taken);
      rest = await this.#attempt(taken);
      attempt = rest?.events.length === taken.length ? attempt + 1 : 0;
      // In the order in which they were published.
      this.#again = [...(rest?.events ?? []), ...this.#again];
      this.#held = new Set(this.#again.map(laneOf));
      this.#schedule();
    }
    // At once: what is refused from now on begins again.
    this.#isRetrying = false;
  }

  /** Settles each of them, one way or the other. */
  async #deliverAll(batch: readonly Outgoing[]): Promise<void> {
    let wanted = batch;
    for (let attempt = 0; ; attempt++) {
      const rest = await this.#attempt(wanted);
      if (rest === undefined) return;
      wanted = rest.events;
      if (rest.isUnknown) await this.#relearn(wanted);
      if (!(await this.#isToGoOn(attempt, rest.failure))) return;
    }
  }

  /** Settles what can be, one way or the other, and returns what is to be tried again. What was accepted is never sent again. */
  async #attempt(batch: readonly Outgoing[]): Promise<Rest | undefined> {
    const wanted = batch.every(isUnsettled) ? batch : batch.filter(isUnsettled);
    if (wanted.length === 0) return undefined;
    const refused = await this.#try(wanted);
    const again = new Set<Outgoing>();
    let last: KafkaFailure | undefined;
    let isUnknown = false;
    for (const [failure, ofIt] of refused) {
      if (isFailure(failure, 'passing', 'unknown-topic', 'sequence')) {
        for (const one of ofIt) again.add(one);
        isUnknown ||= failure.kind !== 'passing';
        last = failure;
      } else {
        await this.#divide(ofIt, failure);
      }
    }
    if (last === undefined) return undefined;
    // In the order in which they were published.
    return { events: wanted.filter((one) => again.has(one)), failure: last, isUnknown };
  }

  /** Resolves what is accepted; the rest, by why it was not. */
  async #try(batch: readonly Outgoing[]): Promise<ReadonlyMap<KafkaFailure, readonly Outgoing[]>> {
    const { client } = this.#context;
    const refusals = await client.send(byTopic(batch)).catch((error: unknown) => {
      const failure = isFailure(error) ? error : new KafkaFailure('lasting', messageOf(error), error);
      return [{ records: batch.map(({ message }) => message.record), failure }];
    });
    const refused = new Map<KafkaFailure, Outgoing[]>();
    if (refusals.length < batch.length) this.#answers++;
    if (refusals.length > 0) {
      const failures = new Map<OutgoingRecord, KafkaFailure>();
      for (const { records, failure } of refusals) for (const one of records) failures.set(one, failure);
      for (const one of batch) {
        const failure = failures.get(one.message.record);
        if (failure === undefined) continue;
        const ofIt = refused.get(failure);
        if (ofIt === undefined) refused.set(failure, [one]);
        else ofIt.push(one);
      }
      for (const one of batch) if (!failures.has(one.message.record)) this.#outbox.resolve(one);
    } else {
      for (const one of batch) this.#outbox.resolve(one);
    }
    return refused;
  }

  /** Some of them cannot be accepted: finds which, so that the others are. */
  async #divide(batch: readonly Outgoing[], error: KafkaFailure): Promise<void> {
    if (batch.length === 1 || !isFailure(error, 'too-large', 'invalid-record')) {
      this.#rejectAll(batch, error);
      return;
    }
    const half = batch.length >> 1;
    await this.#deliverAll(batch.slice(0, half));
    await this.#deliverAll(batch.slice(half));
  }

  /** A topic, or a partition of one, is gone, or is another one of the same name. */
  async #relearn(batch: readonly Outgoing[]): Promise<void> {
    const { catalog, client, logger } = this.#context;
    try {
      await catalog.refresh();
      client.resetProducer();
      for (const topic of new Set(batch.map((one) => one.topic))) await catalog.ensure(topic);
    } catch (error) {
      if (PolybusError.is(error))
        this.#rejectAll(
          batch.filter(({ topic }) => topic === error.topic),
          error,
        );
      else logger.debug?.('a topic could not be looked up', { error: messageOf(error) });
    }
  }

  async #isToGoOn(attempt: number, error: unknown): Promise<boolean> {
    return this.#backOff(attempt, error).then(
      () => true,
      () => false,
    );
  }

  async #backOff(attempt: number, error: unknown): Promise<void> {
    this.#context.logger.debug?.('events could not be sent and are sent again', { error: messageOf(error) });
    await pause(backoffMs(attempt + 1, initialBackoffMs, maxBackoffMs), this.#closing.signal);
  }

  #rejectAll(batch: readonly Outgoing[], error: unknown): void {
    for (const one of batch) if (!one.isSettled) this.#outbox.reject(one, this.#typed(one, error));
  }

  #typed(one: Outgoing, error: unknown): PolybusError {
    if (PolybusError.is(error)) return error;
    if (isFailure(error, 'too-large')) return this.#tooLarge(one, error);
    return publishError(error, one.topic, this.#context.engine);
  }

  #late(topic: string): PublishError {
    const { engine, options } = this.#context;
    return new PublishError(
      `Kafka gave no answer within ${options.requestTimeoutMs} ms. The event may have arrived: publish it again with the ` +
        'same id if handlers can tell, or raise publishTimeoutMs.',
      { topic, engine },
    );
  }

  /** Waits for what is on its way, for `timeoutMs` at most, and rejects the rest. */
  async close(timeoutMs: number): Promise<void> {
    await this.#outbox.close(timeoutMs, ({ topic }) => this.#closed(topic));
    clearTimeout(this.#linger);
    this.#closing.abort(new Error('the engine is closed'));
  }

  #closed(topic: string): PublishError {
    const message =
      'The engine stopped before Kafka accepted the event, which may have arrived all the same.';
    return new PublishError(message, { topic, engine: this.#context.engine });
  }
}
