import type { Event } from '@polybus/core';
import type { Delay } from '@polybus/core/engine';
import { encodeStructured } from '@polybus/core/cloudevents';
import { PendingPublishes, type PendingPublish, isUnsettled } from '@polybus/core/engine-kit';
import type { ChainableCommander, Redis } from 'ioredis';
import type { Connection } from '../client/connection.ts';
import { publishError } from '../errors.ts';

/** An event, encoded. */
export interface Message {
  readonly topic: string;
  readonly text: string;
  readonly key: string | undefined;
  readonly delay: Delay | undefined;
}

/** How a transport sends an event. */
export interface Wire {
  /** The client for a topic, if on a cluster not every node keeps the topic's order. */
  carrier?(client: Redis, topic: string): Redis;
  /** Sends a single event. */
  send(client: Redis, message: Message): Promise<unknown>;
  /** Adds an event to a pipeline. */
  add(pipeline: ChainableCommander, message: Message): void;
  /** Checks the answer. Returns a promise if there is more to do before the event is published. */
  accept?(client: Redis, message: Message, answer: unknown): Promise<unknown> | undefined;
}

/** Options of a publisher. */
export interface PublisherOptions {
  readonly source: string;
  readonly engine: string;
  /** How long an event may wait for the server's answer. Milliseconds. */
  readonly timeoutMs: number;
}

type Outgoing = PendingPublish<Message>;

const now = Promise.resolve();
/** The maximum number of events in a pipeline. A longer one gains nothing, and its first event waits for the last. */
const maxBatch = 1000;

/**
 * Publishes over one connection. Events that are published in the same turn are sent as one pipeline, a single event as a command,
 * both in the same turn. While the connection is lost, events wait until their timeout. Events that were on their way when it was
 * lost are rejected, because the server may or may not have them.
 */
export class Publisher {
  readonly #connection: Connection;
  readonly #wire: Wire;
  readonly #options: PublisherOptions;
  #waiting: Outgoing[] = [];
  readonly #inFlight = new Set<readonly Outgoing[]>();
  readonly #pending: PendingPublishes<Message>;
  #isScheduled = false;

  constructor(connection: Connection, wire: Wire, options: PublisherOptions) {
    this.#connection = connection;
    this.#wire = wire;
    this.#options = options;
    this.#pending = new PendingPublishes({
      timeoutMs: options.timeoutMs,
      timedOut: (outgoing) => this.#timedOut(outgoing),
    });
    connection.listen({ onLost: () => this.#lost(), onRestored: () => this.#flush() });
  }

  send(event: Event, signal?: AbortSignal, delay?: Delay): Promise<void> {
    const { topic, key } = event;
    const text = encodeStructured(event, this.#options);
    const outgoing = this.#pending.add(topic, { topic, text, key, delay }, signal);
    // While the connection is lost, nothing else removes events that have timed out.
    if (this.#waiting.length > 2 * this.#pending.size + maxBatch) this.#forgetSettled();
    this.#waiting.push(outgoing);
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      // Cheaper than `queueMicrotask`.
      void now.then(this.#flush);
    }
    return outgoing.settled;
  }

  readonly #flush = (): void => {
    this.#isScheduled = false;
    if (!this.#connection.takesCommands) return;
    this.#forgetSettled();
    while (this.#waiting.length > maxBatch) this.#sendBatch(this.#waiting.splice(0, maxBatch));
    if (this.#waiting.length === 0) return;
    const batch = this.#waiting;
    this.#waiting = [];
    this.#sendBatch(batch);
  };

  /** Removes events whose publish was aborted or has timed out: they are not sent. */
  #forgetSettled(): void {
    if (!this.#waiting.every(isUnsettled)) this.#waiting = this.#waiting.filter(isUnsettled);
  }

  #sendBatch(batch: readonly Outgoing[]): void {
    const { client } = this.#connection;
    const wire = this.#wire;
    if (!client.isCluster || wire.carrier === undefined) {
      this.#sendOver(client, batch);
      return;
    }
    const parts = new Map<Redis, Outgoing[]>();
    for (const outgoing of batch) {
      const carrier = wire.carrier(client, outgoing.topic);
      const part = parts.get(carrier);
      if (part === undefined) parts.set(carrier, [outgoing]);
      else part.push(outgoing);
    }
    for (const [carrier, part] of parts) this.#sendOver(carrier, part);
  }

  #sendOver(client: Redis, batch: readonly Outgoing[]): void {
    this.#inFlight.add(batch);
    // With auto-pipelining, the application's client may hold a single command back until the end of the turn, so the next event would
    // overtake it.
    if (batch.length === 1 && !client.options.enableAutoPipelining) {
      const [outgoing] = batch as [Outgoing];
      this.#wire.send(client, outgoing.message).then(
        (answer) => {
          this.#inFlight.delete(batch);
          this.#accept(outgoing, answer);
        },
        (error: unknown) => {
          this.#inFlight.delete(batch);
          this.#reject(outgoing, error);
        },
      );
      return;
    }
    const pipeline = client.pipeline();
    for (const outgoing of batch) this.#wire.add(pipeline, outgoing.message);
    pipeline.exec().then(
      (answers) => {
        this.#inFlight.delete(batch);
        batch.forEach((outgoing, i) => {
          const [error, answer] = answers?.[i] ?? [new Error('no answer')];
          if (error) this.#reject(outgoing, error);
          else this.#accept(outgoing, answer);
        });
      },
      (error: unknown) => {
        this.#inFlight.delete(batch);
        for (const outgoing of batch) this.#reject(outgoing, error);
      },
    );
  }

  #accept(outgoing: Outgoing, answer: unknown): void {
    const more = outgoing.isSettled
      ? undefined
      : this.#wire.accept?.(this.#connection.client, outgoing.message, answer);
    if (more === undefined) {
      this.#pending.resolve(outgoing);
      return;
    }
    const batch = [outgoing];
    this.#inFlight.add(batch);
    more
      .then(
        () => this.#pending.resolve(outgoing),
        (error: unknown) => this.#reject(outgoing, error),
      )
      .finally(() => this.#inFlight.delete(batch));
  }

  #reject(outgoing: Outgoing, error: unknown): void {
    if (!outgoing.isSettled) this.#pending.reject(outgoing, this.#typed(outgoing, error));
  }

  #typed({ topic }: Outgoing, error: unknown): Error {
    return publishError(error, topic, this.#options.engine);
  }

  #timedOut(outgoing: Outgoing): Error {
    const cause = this.#connection.isReady ? undefined : this.#connection.lastError;
    return this.#typed(
      outgoing,
      cause ?? new Error(`no answer from the server in ${this.#options.timeoutMs} ms`),
    );
  }

  /** Rejects the events that were on their way: the server may or may not have them. */
  #lost(): void {
    const cause = this.#connection.lastError ?? new Error('the connection was lost');
    for (const batch of this.#inFlight) for (const outgoing of batch) this.#reject(outgoing, cause);
    this.#inFlight.clear();
  }

  /** Waits for answers that are on their way, then rejects the publishes without one. */
  async close(): Promise<void> {
    const cause = new Error('the engine is stopped');
    await this.#pending.close(this.#connection.isReady ? closeTimeoutMs : 0, (outgoing) =>
      this.#typed(outgoing, cause),
    );
    this.#waiting = [];
    this.#inFlight.clear();
  }
}

/** How long `close` waits for answers, in milliseconds. */
const closeTimeoutMs = 1000;
