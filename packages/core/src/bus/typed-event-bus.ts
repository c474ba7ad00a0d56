import type { ParsedConfig } from '../config/event-bus-config.ts';
import type { AttemptObserver, ConsumerLag, DeliveryStats, EngineHealth } from '../contract/observing.ts';
import type { Capabilities } from '../contract/capabilities.ts';
import type {
  BatchHandler,
  EventBus,
  StartOptions,
  StopOptions,
  SubscribeBatchOptions,
  SubscribeOptions,
  Subscription,
} from '../contract/bus.ts';
import type { EventStream } from './event-stream.ts';
import type { Observer } from './lifecycle-events.ts';
import type { RedriveOptions } from './redrive/redrive-run.ts';
import type { RedriveResult } from './redrive/redrive.ts';
import type { RouterView } from '../routing/router.ts';
import type {
  EventOf,
  HandledTopics,
  TopicMap,
  TopicPattern,
  TypedPublish,
  TypedSubscribe,
} from '../typed/typed-topics.ts';

/**
 * An event bus whose topics have types. It can be used wherever an {@link EventBus} or an {@link Engine} is expected.
 *
 * @typeParam Topics - The payload type of each topic. Handlers get its JSON value: a `Date` arrives as text.
 * @typeParam Published - The payload types of publishers, if schemas transform payloads. `Topics` then has those of handlers.
 */
export interface TypedEventBus<
  Topics extends TopicMap,
  Published extends TopicMap = Topics,
> extends AsyncDisposable {
  readonly type: 'bus';
  /** The engines by name, and which engine carries which topic. */
  readonly router: RouterView;
  /** The validated configuration, in the form with several engines. */
  readonly config: ParsedConfig;
  /**
   * The capabilities that every engine of the bus has.
   *
   * @throws {@link EventBusNotStartedError} before the first `start`, if the configuration names an engine type.
   */
  readonly capabilities: Capabilities;
  /** The same bus without types for topics and payloads, for code that takes any `EventBus`. */
  readonly untyped: EventBus;
  /**
   * Starts the engines. Idempotent. If one engine does not start, the others are stopped again. A stopped bus can be started again,
   * without its earlier subscriptions.
   *
   * @throws {@link InvalidConfigError}, {@link UnknownEngineTypeError}, or the error of an engine.
   */
  start(options?: StartOptions): Promise<void>;
  /**
   * Stops taking new work, waits up to `timeoutMs` (milliseconds, default 30 000) for running handlers, then closes the connections.
   * Idempotent. It also works while a broker is down.
   *
   * @throws {@link ShutdownTimeoutError} if handlers still run or events are still queued after `timeoutMs`. The connections are closed
   *   anyway.
   */
  stop(options?: StopOptions): Promise<void>;
  /**
   * The first half of `stop`: stops taking new work and waits for running handlers, but still sends events that those handlers publish.
   *
   * @throws {@link ShutdownTimeoutError} if handlers still run after `timeoutMs`. They keep running.
   */
  drain(options?: StopOptions): Promise<void>;
  /**
   * Publishes an event: `publish(topic, payload, options)` or `publish(event, options)`. Resolves when the broker has accepted it; on
   * the memory engines, when every sync handler has finished. A failing handler never makes it reject. With `delayMs` or `at`, it
   * resolves when the broker has stored the delayed event.
   *
   * A payload that JSON cannot represent does not compile, as far as its type shows that. It rejects with {@link InvalidEventError} for
   * the rest: numbers that are not finite, invalid dates, functions in fields, cycles, and such values in parts of type `unknown`.
   *
   * @throws {@link InvalidTopicError}, {@link InvalidEventError} or {@link SchemaValidationError} if the event is invalid. Nothing was
   *   sent.
   * @throws {@link InvalidOptionError} or {@link UnknownOptionError} if an option is invalid.
   * @throws {@link UnsupportedCapabilityError} if the event is delayed and its engine lacks the capability `delay`.
   * @throws {@link PublishError} if the broker did not accept the event.
   * @throws {@link EventBusNotStartedError} before `start` has resolved, and after `stop` was called, except in a handler that `stop`
   *   waits for.
   */
  readonly publish: TypedPublish<Published>;
  /**
   * Subscribes a handler serially: it gets one event at a time, in publish order per key, or per topic for events without a key. The
   * handler may be async; the next event waits until it settles. Resolves when every event published from then on is delivered.
   *
   * @throws {@link InvalidTopicError}, {@link HandlerRequiredError}, {@link InvalidTenantError}, {@link InvalidOptionError} or
   *   {@link UnknownOptionError} if an argument is invalid.
   * @throws {@link UnsupportedCapabilityError} if an engine does not support an option.
   * @throws {@link EventBusNotStartedError} before `start` has resolved and after `stop` was called.
   */
  readonly subscribe: TypedSubscribe<HandledTopics<Topics, Published>>;
  /**
   * Subscribes a handler concurrently: it gets up to `concurrency` events at once (default: the engine's `workerCount`). Events of one
   * key stay in order, one at a time. `publish` never waits for the handler.
   *
   * @throws as `subscribe` does.
   */
  readonly subscribeAsync: TypedSubscribe<HandledTopics<Topics, Published>>;
  /**
   * Subscribes a handler to batches of up to `maxSize` events, one batch at a time. A batch begins when it is full, or when its first
   * event has waited for `maxWaitMs`. Each event is acknowledged, retried and dead-lettered by itself, and events of a key stay in
   * order. `publish` never waits for the handler.
   *
   * @throws as `subscribe` does.
   */
  subscribeBatch<P extends string>(
    topic: TopicPattern<Topics, P>,
    handler: BatchHandler<EventOf<HandledTopics<Topics, Published>, P>>,
    options?: SubscribeBatchOptions,
  ): Promise<Subscription>;
  /**
   * Subscribes as an async iterator, for `for await`. An event is acknowledged when the loop requests the next one.
   *
   * @throws as `subscribeAsync` does, but from the promise `ready` and in the loop.
   */
  events<P extends string>(
    topic: TopicPattern<Topics, P>,
    options?: SubscribeOptions,
  ): EventStream<EventOf<HandledTopics<Topics, Published>, P>>;
  /**
   * Ends a subscription: stops taking events, then waits for running handlers, except a handler that makes this call. Idempotent.
   *
   * @throws {@link SubscriptionNotFoundError} if another bus made the subscription.
   */
  unsubscribe(subscription: Subscription): Promise<void>;
  /**
   * Publishes the dead letters of a topic back to it, each once. Only the group that failed handles them again.
   *
   * @throws {@link InvalidTopicError}, {@link InvalidTenantError}, {@link InvalidOptionError} or {@link UnknownOptionError} if an
   *   argument is invalid.
   * @throws {@link UnsupportedCapabilityError} if the engine lacks `groups` or `replay`, or if it is `crossProcess` and not `durable`.
   */
  redrive(topic: string, options?: RedriveOptions): Promise<RedriveResult>;
  /**
   * Calls the observer for each lifecycle event from now on.
   *
   * @returns A function that stops it.
   */
  observe(observer: Observer): () => void;
  /**
   * Calls the observer after each attempt of a handler, with its outcome and duration; for metrics.
   *
   * @returns A function that stops it.
   */
  observeAttempts(observer: AttemptObserver): () => void;
  /** Returns the topics and patterns that have at least one subscription. */
  topics(): string[];
  /**
   * Counts subscriptions, both sync and async. For a topic, it counts every subscription that matches the topic, including patterns.
   * For a pattern, it counts subscriptions to exactly this pattern.
   *
   * @throws {@link InvalidTopicError} if it is neither a topic nor a pattern.
   */
  subscriberCount(topic: string): number;
  /** Returns the sums of the counters of all engines since they were created. */
  stats(): DeliveryStats;
  /** Returns the counters of each engine by its name. An engine that has not been created yet is missing. */
  statsPerEngine(): Record<string, DeliveryStats>;
  /**
   * Resolves with the health of the bus. Never rejects: if the broker of one engine cannot be reached, the bus is `degraded`; if no
   * broker can be reached, it is `down`.
   */
  health(): Promise<EngineHealth>;
  /**
   * Resolves with how far consumers are behind, on the engines whose broker knows it. Rejects if a broker cannot be reached.
   *
   * @throws {@link EventBusNotStartedError} before `start` has resolved and after `stop` was called.
   */
  lag(): Promise<readonly ConsumerLag[]>;
}

/** The part of a bus that metrics need. Every bus has it, whatever the types of its topics. */
export interface ObservableBus {
  readonly router: RouterView;
  observeAttempts(observer: AttemptObserver): () => void;
}
