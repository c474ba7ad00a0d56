import type { HandlerContext, Subscription } from '../contract/bus.ts';
import type { Event } from '../contract/event.ts';
import type { Acknowledgement } from '../contract/transport.ts';
import { handlerMetadata } from '../dead-letters/redrive-target.ts';
import type { Chained } from './backlog/fifo.ts';
import type { Workers } from './workers/workers.ts';

/** Work of a subscription that runs code of the user: a delivery, or a record that `onUndecodable` gets. */
export interface Work {
  readonly queue: DeliveryOwner;
  readonly state: DeliveryState;
  readonly isWritingDeadLetter: boolean;
  /** The event of the running attempt; undefined for a record. */
  readonly event: DeliveredEvent | undefined;
  /** How many other subscriptions the code waits for; meanwhile the worker of an attempt is lent. */
  waits: number;
}

/** The queue of one subscription, as its deliveries and the wait graph see it. */
export interface DeliveryOwner {
  readonly subscription: Subscription;
  /** The name of the engine. */
  readonly engine: string;
  /** The node of the queue in the wait graph: queues that share a gate have one node. */
  readonly node: object;
  readonly workers: Workers;
  /** True if the handler has never returned a promise, false if it has; undefined until it has returned for the first time. */
  returnsAtOnce: boolean | undefined;
}

export type DeliveryState = 'queued' | 'running' | 'parked' | 'done';

/** When attempts failed, in milliseconds since the epoch. */
export interface FailureTimes {
  readonly first: number;
  readonly last: number;
}

/** One event on its way to one subscription. */
export class Delivery implements Chained<Delivery>, Work {
  readonly source: Event;
  readonly queue: DeliveryOwner;
  readonly acknowledgement: Acknowledgement;
  next: Delivery | undefined = undefined;
  state: DeliveryState = 'queued';
  attempt: number;
  /** True while later deliveries of the same ordering key wait for this one. */
  holdsKey = false;
  /** The event of the running attempt; replaced by the next attempt, and cleared when this attempt is over. */
  event: DeliveredEvent | undefined = undefined;
  isWritingDeadLetter = false;
  /** Its attempts are used up: it waits for its dead letter to be written. */
  isExhausted = false;
  /** It was running, or its dead letter was being written, when the transport withdrew: if that fails, it is released. */
  isWithdrawn = false;
  /** Its index among the running deliveries. */
  runningIndex = 0;
  context: AttemptContext | undefined = undefined;
  timer: NodeJS.Timeout | undefined = undefined;
  /** By `performance.now()`; undefined if the event does not expire. */
  expiresAt: number | undefined = undefined;
  /** When the running attempt began, by `performance.now()`; 0 if attempts are not timed. */
  startedAt = 0;
  /** For the dead letter; undefined before the first failure. */
  failures: FailureTimes | undefined = undefined;
  waits = 0;

  constructor(source: Event, queue: DeliveryOwner, acknowledgement: Acknowledgement, attempt: number) {
    this.source = source;
    this.queue = queue;
    this.acknowledgement = acknowledgement;
    this.attempt = attempt;
  }

  /** @param now - The time of day, in milliseconds since the epoch. */
  beginAttempt(now: number): DeliveredEvent {
    this.state = 'running';
    this.attempt++;
    // Only the time in the buffer counts: a retry does not expire.
    this.expiresAt = undefined;
    this.waits = 0;
    this.context = new AttemptContext(this.queue, this.attempt);
    return (this.event = new DeliveredEvent(this.source, now));
  }
}

/** The context of one attempt. A new one for each attempt, so that a hung attempt keeps its aborted signal. */
class AttemptContext implements HandlerContext {
  readonly subscription: Subscription;
  readonly engine: string;
  readonly attempt: number;
  #controller: AbortController | undefined;

  constructor({ subscription, engine }: DeliveryOwner, attempt: number) {
    this.subscription = subscription;
    this.engine = engine;
    this.attempt = attempt;
  }

  /** Created when a handler first reads it: most handlers never do. */
  get signal(): AbortSignal {
    return (this.#controller ??= new AbortController()).signal;
  }

  abort(reason: unknown): void {
    // A handler that reads the signal only afterwards must see it aborted.
    (this.#controller ??= new AbortController()).abort(reason);
  }
}

/** The event as one handler sees it. Its times are kept as numbers; a `Date` is created when one is read. */
export class DeliveredEvent implements Event {
  readonly id: string;
  readonly topic: string;
  readonly payload: unknown;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly key: string | undefined;
  readonly createdAt: Date;
  readonly #startedAt: number;
  readonly #original: DeliveredEvent | undefined;
  #completedAt = 0;

  constructor(source: Event, startedAt: number, original?: DeliveredEvent) {
    this.id = source.id;
    this.topic = source.topic;
    this.payload = source.payload;
    this.metadata = handlerMetadata(source.metadata);
    this.key = source.key;
    this.createdAt = source.createdAt;
    this.#original = original;
    this.#startedAt = startedAt;
  }

  /** The event of the same delivery, changed by a middleware or a schema. */
  with(changes: Partial<Event>): DeliveredEvent {
    return new DeliveredEvent({ ...this, ...changes }, this.#startedAt, this);
  }

  get processingStarted(): Date {
    return new Date(this.#startedAt);
  }

  get processingCompleted(): Date | undefined {
    if (this.#original !== undefined) return this.#original.processingCompleted;
    return this.#completedAt === 0 ? undefined : new Date(this.#completedAt);
  }

  complete(now: number): void {
    this.#completedAt = now;
  }

  toJSON(): Event {
    return {
      ...this,
      processingStarted: this.processingStarted,
      processingCompleted: this.processingCompleted,
    };
  }
}
