import type { EventBusConfig, ParsedConfig } from '../config/event-bus-config.ts';
import type { AttemptObserver, ConsumerLag, DeliveryStats, EngineHealth } from '../contract/observing.ts';
import type { Capabilities } from '../contract/capabilities.ts';
import type { EventBus, StartOptions, StopOptions, SubscribeOptions, Subscription } from '../contract/bus.ts';
import type { EventBusParts } from './event-bus-parts.ts';
import { UntypedEventBus } from './event-bus.ts';
import type { EventStream } from './event-stream.ts';
import type { Observer } from './lifecycle.ts';
import type { RedriveOptions, RedriveResult } from './redrive/redrive.ts';
import type { Router } from '../routing/router.ts';
import type { SchemaInput, SchemaOutput, StandardSchema } from '../typed/standard-schema.ts';
import type {
  EventOf,
  HandledTopics,
  TopicMap,
  TopicPattern,
  TypedPublish,
  TypedSubscribe,
} from '../typed/typed-topics.ts';

/** What `createEventBus` takes: the configuration, and what only code can give. */
export type EventBusOptions = EventBusConfig & EventBusParts;

/**
 * An event bus whose topics have types. It fits wherever an {@link EventBus}, or an {@link Engine}, is wanted.
 *
 * @typeParam Topics - The payload of each topic. Handlers receive what JSON makes of it: a `Date` arrives as text.
 * @typeParam Published - What publishers give, per topic, if schemas transform it; `Topics` is then what handlers receive.
 */
export interface TypedEventBus<
  Topics extends TopicMap,
  Published extends TopicMap = Topics,
> extends AsyncDisposable {
  readonly type: 'bus';
  /** Which engine carries which topic, and the engines by their names. */
  readonly router: Router;
  /** The configuration as it was checked, in its form with several engines. */
  readonly config: ParsedConfig;
  /** What all engines of the bus can do. Throws {@link EventBusNotStartedError} before the first `start` of engines that are named. */
  readonly capabilities: Capabilities;
  /** This bus, for code that takes any `EventBus`: without a map, so topics and payloads are not checked by type. */
  readonly untyped: EventBus;
  /**
   * Opens the engines. Idempotent. A stopped bus may be started again; its subscriptions are gone. If one engine does not start, those
   * that did are stopped again.
   *
   * @throws {@link InvalidConfigError}, {@link UnknownEngineTypeError}, or what the engine's broker says.
   */
  start(options?: StartOptions): Promise<void>;
  /**
   * Takes no new work, lets handlers finish for up to `timeoutMs` (milliseconds, default 30 000), then closes. Idempotent, and works
   * while a broker is down.
   *
   * @throws {@link ShutdownTimeoutError} if handlers were still running when the time was over. Everything is closed all the same.
   */
  stop(options?: StopOptions): Promise<void>;
  /**
   * The first half of `stop`: takes no new work and lets handlers finish, but still sends what those publish.
   *
   * @throws {@link ShutdownTimeoutError} if the time was over first; nothing is abandoned yet.
   */
  drain(options?: StopOptions): Promise<void>;
  /**
   * `publish(topic, payload, options)` or `publish(event, options)`. Resolves when the broker has accepted the event; on the memory
   * engines, when every sync handler has finished. Never rejects because a handler failed.
   *
   * @throws {@link InvalidTopicError}, {@link InvalidEventError}, {@link SchemaValidationError}: nothing was sent.
   * @throws {@link PublishError} if the broker did not accept it.
   * @throws {@link EventBusNotStartedError}
   */
  readonly publish: TypedPublish<Published>;
  /**
   * Handles one event of a topic or pattern at a time, in publish order per key (per topic for events without a key). Resolves when
   * nothing published from then on is missed.
   *
   * @throws {@link InvalidTopicError}, {@link HandlerRequiredError}, {@link InvalidOptionError}, {@link UnknownOptionError}
   * @throws {@link UnsupportedCapabilityError} for an option that an engine cannot keep.
   * @throws {@link EventBusNotStartedError}
   */
  readonly subscribe: TypedSubscribe<HandledTopics<Topics, Published>>;
  /**
   * Handles up to `concurrency` events at once (default: the engine's `workerCount`), in order per key if the event has one. Publishers
   * never wait for its handlers.
   *
   * @throws as `subscribe` does.
   */
  readonly subscribeAsync: TypedSubscribe<HandledTopics<Topics, Published>>;
  /** A subscription as an async iterator, for `for await`; an event is acknowledged when the loop asks for the next. */
  events<P extends string>(
    topic: TopicPattern<Topics, P>,
    options?: SubscribeOptions,
  ): EventStream<EventOf<HandledTopics<Topics, Published>, P>>;
  /**
   * Ends a subscription: it takes no more events, and its running handlers are waited for, but for the one that calls it. Idempotent.
   *
   * @throws {@link SubscriptionNotFoundError} for a subscription of another bus.
   */
  unsubscribe(subscription: Subscription): Promise<void>;
  /**
   * Publishes a topic's dead letters back to it, each once; only the group that failed handles them again.
   *
   * @throws {@link UnsupportedCapabilityError} on an engine without `groups` and `replay`.
   */
  redrive(topic: string, options?: RedriveOptions): Promise<RedriveResult>;
  /**
   * Tells of lifecycle events from now on.
   *
   * @returns how to stop observing.
   */
  observe(observer: Observer): () => void;
  /**
   * Tells of each attempt of a handler when it has ended, and how long it took; for metrics.
   *
   * @returns how to stop observing.
   */
  observeAttempts(observer: AttemptObserver): () => void;
  /** The topics and patterns with at least one subscription. */
  topics(): string[];
  /**
   * Counts subscriptions, both sync and async. For a topic, it counts those that an event of the topic would reach, patterns included.
   * For a pattern, it counts those to exactly this pattern.
   *
   * @throws {@link InvalidTopicError} if it is neither a topic nor a pattern.
   */
  subscriberCount(topic: string): number;
  /** Counts over all engines since they were made. */
  stats(): DeliveryStats;
  /** The counts of each engine, by its name; empty of an engine that is named and has not been started. */
  statsPerEngine(): Record<string, DeliveryStats>;
  /** Never rejects: an engine whose broker cannot be reached is `down`, and the bus then `degraded`, or `down` if all are. */
  health(): Promise<EngineHealth>;
  /**
   * How far consumers are behind, on the engines whose broker knows it. Rejects if a broker cannot be asked.
   *
   * @throws {@link EventBusNotStartedError}
   */
  lag(): Promise<readonly ConsumerLag[]>;
}

type Schemas = Readonly<Record<string, StandardSchema>>;
type Inputs<S extends Schemas> = { [T in keyof S & string]: SchemaInput<S[T]> };
type Outputs<S extends Schemas> = { [T in keyof S & string]: SchemaOutput<S[T]> };

/**
 * Makes an event bus. Nothing is opened before `start`.
 *
 * @example
 * ```ts
 * const bus = createEventBus<{ 'user.created': User }>();
 * await bus.start();
 * await bus.subscribe('user.*', (event) => console.log(event.payload));
 * await bus.publish('user.created', { id: 'u1' });
 * await bus.stop();
 * ```
 *
 * @throws {@link InvalidConfigError} listing every problem of the configuration.
 */
export function createEventBus<S extends Schemas>(
  options: EventBusOptions & { readonly schemas: S },
): TypedEventBus<Outputs<S>, Inputs<S>>;
export function createEventBus<Topics extends TopicMap = Record<string, unknown>>(
  options?: EventBusOptions,
): TypedEventBus<Topics>;
export function createEventBus(options?: EventBusOptions): unknown {
  return new UntypedEventBus(options);
}
