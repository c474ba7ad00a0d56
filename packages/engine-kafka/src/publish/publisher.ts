import { setMaxListeners } from 'node:events';
import { type Event, type Logger, PublishError } from '@polybus/core';
import type { ReadProgress } from '@polybus/core/engine';
import { PendingPublishes, isUnsettled } from '@polybus/core/engine-kit';
import { isFailure } from '../client/failure.ts';
import type { KafkaClient } from '../client/kafka-client.ts';
import type { TopicCatalog } from '../client/topic-catalog.ts';
import { TopicLimits } from '../client/topic-limits.ts';
import type { ProducerOptions } from '../options/options.ts';
import { encode, sizeOf } from './encode.ts';
import { RecordSender, type OnLateEvents, type Remainder } from './record-sender.ts';
import { type Outgoing, type SizedRecord, orderingKeyOf, takeBatch } from './batching.ts';

export interface PublisherContext {
  readonly client: KafkaClient;
  readonly catalog: TopicCatalog;
  readonly options: ProducerOptions;
  readonly source: string;
  readonly engine: string;
  readonly logger: Logger;
}

const none: ReadonlySet<string> = new Set();

/**
 * Sends events in batches: the events that were published in one turn of the event loop or within the linger window, and the
 * events that were published while the previous batch was being sent. A batch waits until the brokers have answered the previous
 * batch, up to a second for each broker. While an event is sent again, or its broker does not answer, later events with its key
 * wait, so that no event overtakes another.
 */
export class Publisher {
  readonly #context: PublisherContext;
  readonly #limits: TopicLimits;
  readonly #pending: PendingPublishes<SizedRecord>;
  readonly #sender: RecordSender;
  readonly #closing = new AbortController();
  /** Events by topics that are being created or looked up. */
  readonly #preparing = new Map<string, Outgoing[]>();
  #queue: Outgoing[] = [];
  /** Events to send again, because the cluster refused them for a reason that may pass. */
  #again: Outgoing[] = [];
  /** Events that were sent to a broker that does not answer. */
  readonly #late = new Set<Outgoing>();
  /** The ordering keys of events that are late or sent again: later events of these keys stay in the queue. */
  #heldKeys = new Set<string>();
  #flushing: Promise<void> | undefined;
  #isRetrying = false;
  #linger: NodeJS.Timeout | undefined;

  constructor(context: PublisherContext) {
    // Each topic that is being created adds a listener.
    setMaxListeners(0, this.#closing.signal);
    this.#context = context;
    this.#limits = new TopicLimits(context.client);
    const timeoutMs = context.options.requestTimeoutMs;
    this.#pending = new PendingPublishes({ timeoutMs, timedOut: ({ topic }) => this.#timedOut(topic) });
    const { client, catalog, engine, logger } = context;
    const closing = this.#closing.signal;
    this.#sender = new RecordSender({
      client,
      catalog,
      limits: this.#limits,
      pending: this.#pending,
      engine,
      logger,
      closing,
    });
  }

  send(event: Event, signal?: AbortSignal): Promise<void> {
    const { options, source } = this.#context;
    const record = encode(event, source, options.contentMode);
    const outgoing = this.#pending.add(event.topic, { record, bytes: sizeOf(record) }, signal);
    this.#add(outgoing);
    return outgoing.settled;
  }

  get progress(): ReadProgress {
    const waiting = this.#pending.size;
    const behind = waiting === 0 ? undefined : `${waiting} events wait to be accepted`;
    return { source: 'publishing', position: this.#sender.answers, behind };
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

  /** Creates the topic and looks up its limit before the first event is sent. Events of other topics do not wait. */
  async #prepare(topic: string): Promise<void> {
    const waiting = this.#preparing.get(topic)!;
    try {
      await this.#untilReady(topic, () => waiting.some(isUnsettled));
      this.#preparing.delete(topic);
      // One by one, because a call takes a limited number of arguments.
      for (const outgoing of waiting) {
        if (!this.#isTooLarge(outgoing)) this.#queue.push(outgoing);
        else this.#pending.reject(outgoing, this.#sender.tooLarge(outgoing));
      }
      this.#schedule();
    } catch (error) {
      this.#preparing.delete(topic);
      this.#sender.rejectAll(waiting, error);
    }
  }

  async #untilReady(topic: string, isWanted: () => boolean): Promise<void> {
    for (let attempt = 0; isWanted(); attempt++) {
      try {
        await this.#context.catalog.ensure(topic);
        await this.#limits.learn(topic);
        return;
      } catch (error) {
        if (!isFailure(error, 'passing', 'unknown-topic')) throw error;
        if (!(await this.#sender.backOff(attempt, error))) throw error;
      }
    }
  }

  /** Such an event is not sent: a broker ends the connection, which all events share, if a request is too large. */
  #isTooLarge({ topic, message }: Outgoing): boolean {
    const limit = this.#limits.known(topic);
    return limit !== undefined && message.bytes > limit && this.#context.options.compression === 'none';
  }

  #schedule(): void {
    if (this.#flushing !== undefined || this.#linger !== undefined) return;
    const { lingerMs } = this.#context.options;
    if (lingerMs === 0) {
      // In a microtask, so that the batch has all events of this turn.
      this.#flushing = Promise.resolve().then(() => this.#flush());
    } else {
      this.#linger = setTimeout(() => {
        this.#linger = undefined;
        this.#flushing = this.#flush();
      }, lingerMs);
    }
  }

  async #flush(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const { taken, left } = takeBatch(this.#queue, this.#heldKeys, this.#limits);
      this.#queue = left;
      if (taken.length === 0) break;
      await this.#deliver(taken);
    }
    this.#flushing = undefined;
  }

  async #deliver(batch: readonly Outgoing[]): Promise<void> {
    // An idempotent producer has to repeat the same request, with no other request in between.
    if (this.#context.options.idempotent) return this.#sender.deliverAll(batch);
    const remainder = await this.#sender.attempt(batch, this.#onLate);
    if (remainder !== undefined) this.#sendAgain(remainder);
  }

  readonly #onLate: OnLateEvents = (events, settled) => {
    for (const outgoing of events) {
      this.#late.add(outgoing);
      this.#heldKeys.add(orderingKeyOf(outgoing));
    }
    void settled.then((remainder) => {
      for (const outgoing of events) {
        this.#late.delete(outgoing);
        this.#heldKeys.delete(orderingKeyOf(outgoing));
      }
      if (remainder !== undefined) this.#sendAgain(remainder);
      this.#schedule();
    });
  };

  #sendAgain(remainder: Remainder): void {
    for (const outgoing of remainder.events) {
      this.#again.push(outgoing);
      this.#heldKeys.add(orderingKeyOf(outgoing));
    }
    if (!this.#isRetrying) void this.#retry(remainder);
  }

  /** Sends refused events again. Events with other keys are published meanwhile. */
  async #retry(first: Remainder): Promise<void> {
    this.#isRetrying = true;
    let remainder: Remainder | undefined = first;
    for (let attempt = 0; this.#again.length > 0;) {
      // `close` rejects the events that are left.
      if (!(await this.#sender.backOff(attempt, remainder?.failure))) return;
      const { taken, left } = takeBatch(this.#again, none, this.#limits);
      this.#again = left;
      if (remainder?.isUnknown === true) await this.#sender.relearn(taken);
      remainder = await this.#sender.attempt(taken, this.#onLate);
      attempt = remainder?.events.length === taken.length ? attempt + 1 : 0;
      // In the order in which the events were published.
      this.#again = [...(remainder?.events ?? []), ...this.#again];
      this.#heldKeys = new Set([...this.#again, ...this.#late].map(orderingKeyOf));
      this.#schedule();
    }
    // Without an `await` after the loop ends, so that the next refusal starts another retry.
    this.#isRetrying = false;
  }

  #timedOut(topic: string): PublishError {
    const { engine, options } = this.#context;
    return new PublishError(
      `Kafka gave no answer within ${options.requestTimeoutMs} ms. The event may have arrived: publish it again with the ` +
        'same id if handlers are idempotent, or raise publishTimeoutMs.',
      { topic, engine },
    );
  }

  /** Waits up to `timeoutMs` for answers, and rejects the other events. */
  async close(timeoutMs: number): Promise<void> {
    await this.#pending.close(timeoutMs, ({ topic }) => this.#closed(topic));
    clearTimeout(this.#linger);
    this.#closing.abort(new Error('the engine is closed'));
  }

  #closed(topic: string): PublishError {
    const message =
      'The engine stopped before Kafka accepted the event, which may have arrived nevertheless.';
    return new PublishError(message, { topic, engine: this.#context.engine });
  }
}
