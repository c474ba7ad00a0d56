import type { Event, NewEvent } from './event.ts';
import type { RetryOptions } from './retry.ts';

/** A duration: a number of milliseconds, or text with units such as `"250ms"`, `"30s"`, `"5m"`, `"1h30m"` or `"7d"`. */
export type Duration = number | string;

/** A duration with a unit, such as `"90s"` or `"1h30m"`, or 0 for no limit. Other bare numbers are refused, because their unit is not clear. */
export type TimeToLive = string | 0;

/**
 * Handles one event. It may be async: the attempt ends when the returned promise settles, and the value is ignored. If it throws or
 * rejects, the attempt has failed, and the subscription's `retry` decides whether another one follows.
 */
export type EventHandler<T = unknown> = (event: Event<T>, context: HandlerContext) => unknown;

/**
 * Handles a batch of events, in the order in which they arrived. It may be async: the attempts of all its events end when the returned
 * promise settles. If it throws or rejects, all events have failed. To fail some of them, call `context.fail`.
 */
export type BatchHandler<E extends Event = Event> = (events: readonly E[], context: BatchContext) => unknown;

/** The second argument of a batch handler. */
export interface BatchContext {
  /** Aborts when the batch exceeds `handlerTimeoutMs`, and when `stop` gives up waiting for the handler. */
  readonly signal: AbortSignal;
  readonly subscription: Subscription;
  /** The name of the engine that delivered the events. A batch has events of one engine. */
  readonly engine: string;
  /**
   * Fails one event of the batch. It is retried, or becomes a dead letter, as if its handler had thrown the error.
   *
   * @throws {@link InvalidOptionError} if the event is not one of this batch.
   */
  fail(event: Event, error: unknown): void;
  /**
   * Returns the number of this attempt of an event of the batch; the first is 1.
   *
   * @throws {@link InvalidOptionError} if the event is not one of this batch.
   */
  attemptOf(event: Event): number;
}

/** The second argument of a handler. */
export interface HandlerContext {
  /** Aborts when the attempt exceeds `handlerTimeoutMs`, and when `stop` gives up waiting for the handler. */
  readonly signal: AbortSignal;
  /** The number of this attempt; the first is 1. */
  readonly attempt: number;
  readonly subscription: Subscription;
  /** The name of the engine that delivered the event. A pattern subscription can get events of several engines. */
  readonly engine: string;
}

export interface PublishOptions {
  /** Rejects the call when it aborts. An event that the broker has already accepted stays published. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Delays the event by this many milliseconds, counted from the moment when the engine takes it. Subscriptions get it afterwards, never
   * earlier. 0 publishes at once. Needs the capability `delay`, and excludes `at`.
   */
  readonly delayMs?: number | undefined;
  /** Delays the event until this time. A time in the past publishes at once. Needs the capability `delay`, and excludes `delayMs`. */
  readonly at?: Date | undefined;
}

/** Where a new subscription starts: at new events (`latest`), at the first event that the broker keeps (`earliest`), or at a time. */
export type StartPosition = 'latest' | 'earliest' | Date;

export interface SubscribeOptions {
  /** The consumer group. Its members, in any process, share events: each event goes to one member. Needs the capability `groups`. Default: no group, every event. */
  readonly group?: string | undefined;
  /**
   * Gets only events whose `metadata.tenant` is this tenant: 1 to 64 letters, digits, `_` or `-`. A `group` then belongs to this tenant: groups of other tenants with the
   * same name are separate groups. Default: every event.
   */
  readonly tenant?: string | undefined;
  /** The maximum number of handlers that run at once; only for `subscribeAsync`. Default: the engine's `workerCount`. */
  readonly concurrency?: number | undefined;
  /**
   * Where the subscription starts. A group starts here only in topics that are new to it and continues from its position in the
   * others. A Date in the future means `'latest'`. Other values than `'latest'` need the capability `replay`. Default `'latest'`.
   */
  readonly from?: StartPosition | undefined;
  /** How failed attempts are retried; `false` for a single attempt. Default: the engine's `retry`. */
  readonly retry?: RetryOptions | false | undefined;
  /**
   * The dead-letter topic of events that failed on every attempt: a topic, `true` for `_dead.<topic>`, or `false` to only log and
   * count them. Default: the engine's `deadLetter`.
   */
  readonly deadLetter?: string | boolean | undefined;
  /** The maximum duration of one attempt, in milliseconds. A longer attempt fails. Default: the engine's `handlerTimeoutMs`, which is no limit by default. */
  readonly handlerTimeoutMs?: number | undefined;
  /** How many events may be queued for the handler in this process. Default: the engine's `defaultEventBufferSize`. */
  readonly bufferSize?: number | undefined;
  /** Cancels the subscription when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/** The options of `subscribeBatch`. */
export interface SubscribeBatchOptions extends Omit<SubscribeOptions, 'concurrency'> {
  /** The maximum number of events in a batch. Default 100. */
  readonly maxSize?: number | undefined;
  /** The longest time that an event waits for its batch to be full, in milliseconds. 0 means that it does not wait. Default 100. */
  readonly maxWaitMs?: number | undefined;
  /** How many events may be queued in this process. Default: the engine's `defaultEventBufferSize`, or `maxSize` if that is larger. */
  readonly bufferSize?: number | undefined;
}

/** A handler that is subscribed to a topic or pattern. */
export interface Subscription extends AsyncDisposable {
  /** Unique across processes. */
  readonly id: string;
  /** The topic or pattern passed to `subscribe`. */
  readonly topic: string;
  readonly isAsync: boolean;
  /** The name of its engine, or the names joined by commas if a pattern spans several engines. */
  readonly engine: string;
  readonly group?: string | undefined;
  /** True after `pause`, until `resume`. */
  readonly isPaused: boolean;
  /**
   * Starts no more handlers, neither for events nor for retries. Running handlers finish. Events wait in the buffer of the subscription
   * and, when that is full, at the broker. Idempotent; has no effect on a subscription that has ended.
   */
  pause(): void;
  /** Starts handlers again. Idempotent. */
  resume(): void;
  /**
   * Changes how many handlers run at once. If more are running, no handler starts until enough of them have settled. The `workerCount`
   * of the engine still limits all its async subscriptions together.
   *
   * @throws {@link InvalidOptionError} for a number that is no whole number of at least 1, and for more than 1 on a subscription that
   *   `subscribe` made.
   */
  setConcurrency(concurrency: number): void;
  /** Ends the subscription, as `unsubscribe` does: stops taking events, then waits for running handlers, except for a handler that calls it. */
  cancel(): Promise<void>;
}

export interface StartOptions {
  /** Cancels the start when it aborts, and closes the connections that were already open. */
  readonly signal?: AbortSignal | undefined;
}

export interface StopOptions {
  /** Ends the wait for handlers early when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** How long the call waits for running handlers, in milliseconds. 0 means that it does not wait. Default 30 000. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Publishes and delivers events. An engine, the router over several engines and the bus itself all implement it, so each can be used
 * where another is expected.
 */
export interface EventBus extends AsyncDisposable {
  /**
   * Opens the connections. Idempotent. A stopped bus can be started again, without its earlier subscriptions. A call while another
   * start is under way waits for that start; its signal ends only its own wait.
   *
   * @throws {@link EventBusNotStartedError} in a handler that a `stop` waits for, because each would wait for the other.
   */
  start(options?: StartOptions): Promise<void>;
  /**
   * Stops taking new work, waits for running handlers, then closes the connections. Idempotent. It also works while the broker is
   * down. A call while another stop is under way waits for that stop. If its `timeoutMs` or `signal` ends earlier, the wait for handlers
   * ends for both calls.
   *
   * @throws {@link ShutdownTimeoutError} if handlers still run or events are still queued after `timeoutMs`. The connections are
   *   closed anyway.
   */
  stop(options?: StopOptions): Promise<void>;
  /**
   * Publishes an event. Resolves when the broker has accepted it; on the memory engine, when every sync handler has finished. A
   * failing handler never makes it reject. With `delayMs` or `at`, it resolves when the broker has stored the delayed event.
   *
   * @throws {@link InvalidTopicError} or {@link InvalidEventError} if the event is invalid. Nothing was sent.
   * @throws {@link InvalidOptionError} if an option is invalid.
   * @throws {@link UnsupportedCapabilityError} if the event is delayed and the engine lacks the capability `delay`.
   * @throws {@link PublishError} if the broker did not accept the event.
   * @throws {@link EventBusNotStartedError} before `start` has resolved, and after `stop` was called, except in a handler that `stop`
   *   waits for.
   */
  publish(event: NewEvent, options?: PublishOptions): Promise<void>;
  /**
   * Subscribes a handler serially: it gets one event at a time, in publish order per key, or per topic for events without a key. The
   * handler may be async; the next event waits until it settles. Resolves when every event published from then on is delivered.
   *
   * @throws {@link InvalidTopicError}, {@link HandlerRequiredError} or {@link InvalidOptionError} if an argument is invalid.
   * @throws {@link UnsupportedCapabilityError} if the engine does not support an option.
   * @throws {@link EventBusNotStartedError} before `start` has resolved and after `stop` was called.
   */
  subscribe<T>(topic: string, handler: EventHandler<T>, options?: SubscribeOptions): Promise<Subscription>;
  /**
   * Subscribes a handler concurrently: it gets up to `concurrency` events at once. Events of one key stay in order, one at a time.
   * `publish` never waits for the handler.
   *
   * @throws as `subscribe` does.
   */
  subscribeAsync<T>(
    topic: string,
    handler: EventHandler<T>,
    options?: SubscribeOptions,
  ): Promise<Subscription>;
  /**
   * Ends a subscription: stops taking events, then waits for running handlers, except a handler that makes this call. Idempotent.
   *
   * @throws {@link SubscriptionNotFoundError} if another bus made the subscription.
   */
  unsubscribe(subscription: Subscription): Promise<void>;
  /** Returns the topics and patterns that have at least one subscription. */
  topics(): string[];
  /**
   * Counts subscriptions, both sync and async. For a topic, it counts every subscription that matches the topic, including patterns.
   * For a pattern, it counts subscriptions to exactly this pattern.
   *
   * @throws {@link InvalidTopicError} if it is neither a topic nor a pattern.
   */
  subscriberCount(topic: string): number;
}
