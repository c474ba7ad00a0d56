import type { Event, PublishError } from '@polybus/core';
import { encodeStructured } from '@polybus/core/cloudevents';
import { onAbort } from '@polybus/core/engine-kit';
import type { ChainableCommander, Redis } from 'ioredis';
import type { Connection } from '../client/connection.ts';
import { publishError } from '../errors.ts';

/** An event, encoded. */
export interface Message {
  readonly topic: string;
  readonly text: string;
  readonly key: string | undefined;
}

/** How an event becomes a command. */
export interface Wire {
  /** The client that carries a topic, where not every one of a cluster's keeps its order. */
  carrier?(client: Redis, topic: string): Redis;
  /** Sends a lone event. */
  send(client: Redis, message: Message): Promise<unknown>;
  /** Adds an event to a pipeline. */
  add(pipeline: ChainableCommander, message: Message): void;
  /** Looks at the answer; a promise where there is more to do before the event is published. */
  accept?(client: Redis, message: Message, answer: unknown): Promise<unknown> | undefined;
}

/** What a publisher needs to know. */
export interface PublisherOptions {
  readonly source: string;
  readonly engine: string;
  /** Milliseconds that an event may wait for the server's answer. */
  readonly timeoutMs: number;
}

interface Outgoing extends Message {
  /** By `performance.now()`. */
  readonly since: number;
  isAborted: boolean;
  readonly settled: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const now = Promise.resolve();
/** A longer pipeline gains nothing, and keeps the first of its events waiting for the last. */
const maxBatch = 1000;

/**
 * Publishes over one connection. Events that are published in the same turn leave as one pipeline; a lone one leaves as a
 * command of its own, in the same turn. While the connection is out they wait, each for so long at most; what was on its way
 * when it went is rejected, because the server may or may not have it.
 */
export class Publisher {
  readonly #connection: Connection;
  readonly #wire: Wire;
  readonly #options: PublisherOptions;
  #waiting: Outgoing[] = [];
  readonly #underWay = new Set<readonly Outgoing[]>();
  #isScheduled = false;
  /** Whether some of those that wait are aborted. */
  #hasAborted = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: Connection, wire: Wire, options: PublisherOptions) {
    this.#connection = connection;
    this.#wire = wire;
    this.#options = options;
    connection.listen({ onLost: () => this.#lost(), onRestored: () => this.#flush() });
  }

  send(event: Event, signal?: AbortSignal): Promise<void> {
    const { topic, key } = event;
    const text = encodeStructured(event, this.#options);
    let resolve!: () => void;
    let reject!: (error: unknown) => void;
    const sending = new Promise<void>((onSent, onFailed) => {
      resolve = onSent;
      reject = onFailed;
    });
    const since = performance.now();
    const one = { topic, text, key, since, isAborted: false, settled: sending, resolve, reject };
    this.#waiting.push(one);
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      // For less than a microtask of its own costs.
      void now.then(this.#flush);
    }
    this.#timer ??= this.#watch(this.#options.timeoutMs);
    if (signal !== undefined) this.#abortWith(signal, one);
    return sending;
  }

  /** What is aborted before it has left is not sent. */
  #abortWith(signal: AbortSignal, one: Outgoing): void {
    const unlink = onAbort(signal, () => {
      one.isAborted = this.#hasAborted = true;
      one.reject(signal.reason);
    });
    one.settled.then(unlink, unlink);
  }

  readonly #flush = (): void => {
    this.#isScheduled = false;
    if (!this.#connection.takesCommands) return;
    if (this.#hasAborted) {
      this.#hasAborted = false;
      this.#waiting = this.#waiting.filter(({ isAborted }) => !isAborted);
    }
    while (this.#waiting.length > maxBatch) this.#sendBatch(this.#waiting.splice(0, maxBatch));
    if (this.#waiting.length === 0) return;
    const batch = this.#waiting;
    this.#waiting = [];
    this.#sendBatch(batch);
  };

  #sendBatch(batch: readonly Outgoing[]): void {
    const { client } = this.#connection;
    const wire = this.#wire;
    if (!client.isCluster || wire.carrier === undefined) {
      this.#sendOver(client, batch);
      return;
    }
    const parts = new Map<Redis, Outgoing[]>();
    for (const one of batch) {
      const carrier = wire.carrier(client, one.topic);
      const part = parts.get(carrier);
      if (part === undefined) parts.set(carrier, [one]);
      else part.push(one);
    }
    for (const [carrier, part] of parts) this.#sendOver(carrier, part);
  }

  #sendOver(client: Redis, batch: readonly Outgoing[]): void {
    this.#underWay.add(batch);
    // A client that was given may hold a lone command back until the end of the turn, and what is published next would overtake it.
    if (batch.length === 1 && !client.options.enableAutoPipelining) {
      const [one] = batch as [Outgoing];
      this.#wire.send(client, one).then(
        (answer) => {
          this.#underWay.delete(batch);
          this.#accept(one, answer);
        },
        (error: unknown) => {
          this.#underWay.delete(batch);
          this.#reject(one, error);
        },
      );
      return;
    }
    const pipeline = client.pipeline();
    for (const one of batch) this.#wire.add(pipeline, one);
    pipeline.exec().then(
      (answers) => {
        this.#underWay.delete(batch);
        batch.forEach((one, i) => {
          const [error, answer] = answers?.[i] ?? [new Error('no answer')];
          if (error) this.#reject(one, error);
          else this.#accept(one, answer);
        });
      },
      (error: unknown) => {
        this.#underWay.delete(batch);
        for (const one of batch) this.#reject(one, error);
      },
    );
  }

  #accept(one: Outgoing, answer: unknown): void {
    const more = one.isAborted ? undefined : this.#wire.accept?.(this.#connection.client, one, answer);
    if (more === undefined) {
      one.resolve();
      return;
    }
    const batch = [one];
    this.#underWay.add(batch);
    more
      .then(one.resolve, (error: unknown) => this.#reject(one, error))
      .finally(() => this.#underWay.delete(batch));
  }

  #reject({ topic, reject }: Outgoing, error: unknown): void {
    reject(publishError(error, topic, this.#options.engine));
  }

  #lost(): void {
    const cause = this.#connection.lastError ?? new Error('the connection was lost');
    for (const batch of this.#underWay)
      for (const one of batch) reject(one, this.#unknownOutcome(one, cause));
    this.#underWay.clear();
  }

  #unknownOutcome({ topic }: Outgoing, cause: unknown): PublishError {
    return publishError(cause, topic, this.#options.engine);
  }

  async #settle(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, farewellMs)));
    const all = [this.#waiting, ...this.#underWay].flat().map(({ settled }) => settled);
    await Promise.race([Promise.allSettled(all), patience]);
    clearTimeout(timer);
  }

  /** One timer for all: most never come near their time. */
  #watch(inMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#timer = undefined;
      const now = performance.now();
      const { timeoutMs } = this.#options;
      let next = Number.POSITIVE_INFINITY;
      const isLate = (one: Outgoing): boolean => {
        if (one.since + timeoutMs > now) {
          next = Math.min(next, one.since + timeoutMs - now);
          return false;
        }
        const cause = this.#connection.isReady ? undefined : this.#connection.lastError;
        const reason = cause ?? new Error(`no answer from the server in ${timeoutMs} ms`);
        reject(one, this.#unknownOutcome(one, reason));
        return true;
      };
      this.#waiting = this.#waiting.filter((one) => !isLate(one));
      for (const batch of this.#underWay) if (batch.every(isLate)) this.#underWay.delete(batch);
      if (next !== Number.POSITIVE_INFINITY) this.#timer = this.#watch(next);
    }, inMs).unref();
  }

  /** Waits for the answers that are on their way, and rejects what has none then. */
  async close(): Promise<void> {
    if (this.#connection.isReady && this.#waiting.length + this.#underWay.size > 0) await this.#settle();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const cause = new Error('the engine is stopped');
    for (const batch of [this.#waiting, ...this.#underWay]) {
      for (const one of batch) reject(one, this.#unknownOutcome(one, cause));
    }
    this.#waiting = [];
    this.#underWay.clear();
  }
}

/** How long closing waits for answers, in milliseconds. */
const farewellMs = 1000;

function reject(one: Outgoing, error: PublishError): void {
  one.reject(error);
}
