import type { Event, NewEvent } from './event.ts';
import type { RetryOptions } from './retry.ts';

/** A duration in milliseconds, or text such as `"250ms"`, `"30s"`, `"5m"`, `"1h30m"`, `"7d"`. */
export type Duration = number | string;

/** A duration with its unit, such as `"90s"` or `"1h30m"`, or 0 for no limit. A bare number is refused: it may mean seconds as well as milliseconds. */
export type TimeToLive = string | 0;

/**
 * Receives events. Throwing, or rejecting, fails this attempt: the subscription's `retry` decides what happens next. What it returns
 * counts for nothing; a promise is waited for.
 */
export type EventHandler<T = unknown> = (event: Event<T>, context: HandlerContext) => unknown;

/** What a handler gets beside its event. */
export interface HandlerContext {
  /** Aborts when the handler's time is over (`handlerTimeoutMs`), and when `stop` gives up waiting for it. */
  readonly signal: AbortSignal;
  /** 1 for the first attempt at this event. */
  readonly attempt: number;
  readonly subscription: Subscription;
  /** The name of the engine that delivered the event: a subscription may be on several, and an event on another than rules say. */
  readonly engine: string;
}

export interface PublishOptions {
  /** Gives up waiting. An event that the broker has accepted already stays published. */
  readonly signal?: AbortSignal | undefined;
}

/** Where a new subscription begins: with what is published from now on, with what is kept, or at a point in time. */
export type StartPosition = 'latest' | 'earliest' | Date;

export interface SubscribeOptions {
  /** Consumer group: its subscriptions, in any process, share the events between them. Default: none, all events. */
  readonly group?: string | undefined;
  /**
   * Receives the events of this tenant only, those that have it as `metadata.tenant`; its `group` is then the tenant's own.
   * Default: none, all events.
   */
  readonly tenant?: string | undefined;
  /** Handlers at once, of an async subscription. Default: the engine's `workerCount`. */
  readonly concurrency?: number | undefined;
  /**
   * Where it begins; a Date in the future is `'latest'`. A group begins here only in topics that are new to it, and continues from its position in the others.
   * Default `'latest'`. Needs the capability `replay` for anything else.
   */
  readonly from?: StartPosition | undefined;
  /** Default: the engine's. `false` for one attempt. */
  readonly retry?: RetryOptions | false | undefined;
  /**
   * Where events go whose attempts are used up: a topic, `true` for `_dead.<topic>`, `false` to log and count them.
   * Default: the engine's.
   */
  readonly deadLetter?: string | boolean | undefined;
  /** Bounds one attempt, in milliseconds. Default: no bound. */
  readonly handlerTimeoutMs?: number | undefined;
  /** Accepted events that may wait for the handler. Default: the engine's `defaultEventBufferSize`. */
  readonly bufferSize?: number | undefined;
  /** Aborting it cancels the subscription. */
  readonly signal?: AbortSignal | undefined;
}

/** A handler's place on a topic or pattern. */
export interface Subscription extends AsyncDisposable {
  /** Unique over all processes. */
  readonly id: string;
  /** The topic or pattern as it was subscribed to. */
  readonly topic: string;
  readonly isAsync: boolean;
  /** The name of the engine it is on; several, joined by a comma, where a pattern spans engines. */
  readonly engine: string;
  readonly group?: string | undefined;
  /** The same as `unsubscribe`: takes no more events and waits for its running handlers, save the one that calls it. */
  cancel(): Promise<void>;
}

export interface StartOptions {
  /** Gives up starting; what had been opened is closed again. */
  readonly signal?: AbortSignal | undefined;
}

export interface StopOptions {
  /** Ends the waiting for handlers early. */
  readonly signal?: AbortSignal | undefined;
  /** How long handlers may go on, in milliseconds. Default 30 000. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Publish and subscribe. An engine, the router over engines and the bus are each an `EventBus`, so each can stand
 * wherever another does.
 */
export interface EventBus extends AsyncDisposable {
  /** Opens the connections. Idempotent. A stopped bus may be started again; its subscriptions are gone. */
  start(options?: StartOptions): Promise<void>;
  /**
   * Takes no new work, lets handlers finish, then closes. Idempotent, and works while the broker is down.
   *
   * @throws {@link ShutdownTimeoutError} where handlers were still running when the time was over. Everything is closed
   *   all the same.
   */
  stop(options?: StopOptions): Promise<void>;
  /**
   * Resolves when the broker has accepted the event; on the memory engine, when every sync handler has finished. Never
   * rejects because a handler failed.
   *
   * @throws {@link InvalidTopicError} and {@link InvalidEventError} where the event cannot be published; nothing was sent.
   * @throws {@link PublishError} where the broker did not accept it.
   * @throws {@link EventBusNotStartedError}
   */
  publish(event: NewEvent, options?: PublishOptions): Promise<void>;
  /**
   * One event at a time, in publish order per key (per topic where no key). Resolves when nothing published from then on is missed.
   *
   * @throws {@link InvalidTopicError}, {@link HandlerRequiredError}, {@link InvalidOptionError}
   * @throws {@link UnsupportedCapabilityError} for an option that the engine cannot keep.
   * @throws {@link EventBusNotStartedError}
   */
  subscribe<T>(topic: string, handler: EventHandler<T>, options?: SubscribeOptions): Promise<Subscription>;
  /**
   * Up to `concurrency` events at once, in order per key where the event has one. The publisher never waits for it.
   *
   * @throws as `subscribe` does.
   */
  subscribeAsync<T>(
    topic: string,
    handler: EventHandler<T>,
    options?: SubscribeOptions,
  ): Promise<Subscription>;
  /**
   * Idempotent. Takes no more events and waits for the running handlers, save the one that calls it.
   *
   * @throws {@link SubscriptionNotFoundError} for a subscription of another bus.
   */
  unsubscribe(subscription: Subscription): Promise<void>;
  /** The topics and patterns with at least one subscriber. */
  topics(): string[];
  /**
   * For a topic: the subscriptions, sync and async, that an event on it would reach. For a pattern: those to just that pattern.
   *
   * @throws {@link InvalidTopicError}
   */
  subscriberCount(topic: string): number;
}
