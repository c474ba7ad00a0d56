import { setMaxListeners } from 'node:events';
import { type Event, type Logger, PolybusError, PublishError, type ReadProgress } from '@polybus/core';
import {
  type KafkaClient,
  KafkaFailure,
  type OutgoingRecord,
  type TopicRecords,
  isFailure,
} from './client-port.ts';
import { RecordTooLargeError, messageOf, publishError } from './errors.ts';
import type { ProducerOptions } from './options.ts';
import { Outgoing } from './outgoing.ts';
import { pause } from './pause.ts';
import { encode } from './record.ts';
import type { TopicCatalog } from './topic-catalog.ts';
import { TopicLimits } from './topic-limits.ts';

export interface PublisherContext {
  readonly client: KafkaClient;
  readonly catalog: TopicCatalog;
  readonly options: ProducerOptions;
  readonly source: string;
  readonly engine: string;
  readonly logger: Logger;
}

/** Bytes of one request, of all topics together; brokers take ten times as much (`socket.request.max.bytes`). */
const maxRequestBytes = 8 * 1024 * 1024;
const backoffMs = 100;
const maxBackoffMs = 1000;

/**
 * Sends events in batches: those that were published in the same turn, or within the linger window, and those that gathered
 * while the batch before was on its way. One batch at a time, so that trying one again overtakes nothing.
 */
export class Publisher {
  readonly #context: PublisherContext;
  readonly #limits: TopicLimits;
  readonly #closing = new AbortController();
  readonly #preparing = new Map<string, Outgoing[]>();
  #queue: Outgoing[] = [];
  /** What was taken from the queue and has no answer. */
  #sending: readonly Outgoing[] = [];
  #flushing: Promise<void> | undefined;
  #linger: NodeJS.Timeout | undefined;
  #deadlines: NodeJS.Timeout | undefined;
  /** Answers that accepted something. */
  #answers = 0;

  constructor(context: PublisherContext) {
    // As many as there are topics that are being created: no leak.
    setMaxListeners(0, this.#closing.signal);
    this.#context = context;
    this.#limits = new TopicLimits(context.client);
  }

  send(event: Event, signal?: AbortSignal): Promise<void> {
    const { options, source } = this.#context;
    const record = encode(event, source, options.contentMode);
    const outgoing = new Outgoing(event.topic, record, options.requestTimeoutMs, signal);
    this.#add(outgoing);
    return outgoing.settled;
  }

  /** Publishing that stands still is told like reading that does. */
  get progress(): ReadProgress {
    let waiting = 0;
    for (const _ of this.#unsettled()) waiting++;
    const behind = waiting === 0 ? undefined : `${waiting} events wait to be accepted`;
    return { source: 'publishing', position: this.#answers, behind };
  }

  #add(outgoing: Outgoing): void {
    const { topic } = outgoing;
    this.#watchDeadlines();
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
      await this.#ready(topic, () => waiting.some((one) => !one.isDone));
      this.#preparing.delete(topic);
      // One by one: there is a limit to how many arguments a call takes.
      for (const one of waiting) this.#queue.push(one);
      this.#schedule();
    } catch (error) {
      this.#preparing.delete(topic);
      this.#rejectAll(waiting, error);
    }
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
    while (this.#queue.length > 0 && !this.#closing.signal.aborted) {
      this.#sending = this.#take();
      await this.#deliver(this.#sending);
    }
    this.#sending = [];
    this.#flushing = undefined;
  }

  /** As much as one request may carry, each topic's share no more than the topic takes, wherever its keys lead. */
  #take(): Outgoing[] {
    const taken: Outgoing[] = [];
    const left: Outgoing[] = [];
    const sizes = new Map<string, number>();
    let total = 0;
    for (const one of this.#queue) {
      if (one.isDone) continue;
      const size = sizes.get(one.topic) ?? 0;
      const fits = size === 0 || size + one.bytes <= this.#limits.of(one.topic);
      // What does not fit holds up what comes behind it on its topic.
      if (size < 0 || !fits || (total > 0 && total + one.bytes > maxRequestBytes)) {
        sizes.set(one.topic, -1);
        left.push(one);
        continue;
      }
      sizes.set(one.topic, size + one.bytes);
      total += one.bytes;
      taken.push(one);
    }
    this.#queue = left;
    return taken;
  }

  /** Settles each of them, one way or the other. What was accepted is never sent again. */
  async #deliver(batch: readonly Outgoing[]): Promise<void> {
    let wanted = batch;
    for (let attempt = 0; ; attempt++) {
      if (!wanted.every(isWanted)) wanted = wanted.filter(isWanted);
      if (wanted.length === 0) return;
      const refused = await this.#try(wanted);
      if (refused.size === 0) return;
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
      if (last === undefined) return;
      // In the order in which they were published.
      wanted = wanted.filter((one) => again.has(one));
      if (isUnknown) await this.#relearn(wanted);
      // Ended by close, which has rejected all.
      if (!(await this.#isToGoOn(attempt, last))) return;
    }
  }

  /** Resolves what is accepted; the rest, by why it was not. */
  async #try(batch: readonly Outgoing[]): Promise<ReadonlyMap<KafkaFailure, readonly Outgoing[]>> {
    const { client } = this.#context;
    const refusals = await client.send(byTopic(batch)).catch((error: unknown) => {
      const failure = isFailure(error) ? error : new KafkaFailure('lasting', messageOf(error), error);
      return [{ records: batch.map(({ record }) => record), failure }];
    });
    const refused = new Map<KafkaFailure, Outgoing[]>();
    if (refusals.length < batch.length) this.#answers++;
    if (refusals.length > 0) {
      const failures = new Map<OutgoingRecord, KafkaFailure>();
      for (const { records, failure } of refusals) for (const one of records) failures.set(one, failure);
      for (const one of batch) {
        const failure = failures.get(one.record);
        if (failure === undefined) continue;
        const ofIt = refused.get(failure);
        if (ofIt === undefined) refused.set(failure, [one]);
        else ofIt.push(one);
      }
      for (const one of batch) if (!one.isDone && !failures.has(one.record)) one.resolve();
    } else {
      for (const one of batch) if (!one.isDone) one.resolve();
    }
    return refused;
  }

  /** Some of them cannot be accepted: finds which, so that the others are. */
  async #divide(batch: readonly Outgoing[], error: KafkaFailure): Promise<void> {
    if (batch.length === 1 || !isFailure(error, 'too-large')) {
      this.#rejectAll(batch, error);
      return;
    }
    const half = batch.length >> 1;
    await this.#deliver(batch.slice(0, half));
    await this.#deliver(batch.slice(half));
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
    await pause(Math.min(backoffMs * 2 ** attempt, maxBackoffMs), this.#closing.signal);
  }

  #rejectAll(batch: readonly Outgoing[], error: unknown): void {
    for (const one of batch) if (!one.isDone) one.reject(this.#typed(one, error));
  }

  #typed({ topic, bytes }: Outgoing, error: unknown): PolybusError {
    const { engine } = this.#context;
    if (PolybusError.is(error)) return error;
    if (isFailure(error, 'too-large')) {
      const limit = this.#limits.known(topic);
      return new RecordTooLargeError(bytes, limit, { topic, engine, cause: error });
    }
    return publishError(error, topic, engine);
  }

  /** No publish waits for longer than it may, whatever becomes of its batch. */
  #watchDeadlines(): void {
    if (this.#deadlines !== undefined) return;
    const { requestTimeoutMs } = this.#context.options;
    this.#deadlines = setTimeout(
      () => {
        this.#deadlines = undefined;
        const now = performance.now();
        let isAnyLeft = false;
        for (const one of this.#unsettled()) {
          if (one.deadline <= now) one.reject(this.#late(one.topic));
          else isAnyLeft = true;
        }
        if (isAnyLeft) this.#watchDeadlines();
      },
      Math.min(500, requestTimeoutMs),
    );
  }

  *#unsettled(): Iterable<Outgoing> {
    for (const list of [this.#sending, this.#queue, ...this.#preparing.values()]) {
      for (const one of list) if (!one.isDone) yield one;
    }
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
    const until = performance.now() + timeoutMs;
    while ([...this.#unsettled()].length > 0 && performance.now() < until)
      await pause(5, this.#closing.signal);
    clearTimeout(this.#deadlines);
    clearTimeout(this.#linger);
    this.#closing.abort(new Error('the engine is closed'));
    for (const one of this.#unsettled()) one.reject(this.#closed(one.topic));
  }

  #closed(topic: string): PublishError {
    const message =
      'The engine stopped before Kafka accepted the event, which may have arrived all the same.';
    return new PublishError(message, { topic, engine: this.#context.engine });
  }
}

function isWanted({ isDone }: Outgoing): boolean {
  return !isDone;
}

function byTopic(batch: readonly Outgoing[]): TopicRecords[] {
  const topics = new Map<string, OutgoingRecord[]>();
  for (const { topic, record } of batch) {
    const records = topics.get(topic);
    if (records === undefined) topics.set(topic, [record]);
    else records.push(record);
  }
  return [...topics].map(([topic, records]) => ({ topic, records }));
}
