import { adaptedLogger } from '../logging/adapted-logger.ts';
import { assertSubscription } from '../engine/assert-subscription.ts';
import { type OptionNames, assertOptionNames, assertOptionsOf, signalName } from '../engine/call-options.ts';
import { type EventBusParts, assertParts } from './event-bus-parts.ts';
import { BusSubscriptions } from './bus-subscriptions.ts';
import type { EventBusConfig, ParsedConfig } from '../config/event-bus-config.ts';
import { parseAndMake } from '../config/parse-config.ts';
import { type EngineSpec, type MadeEngine, makeEngine } from '../config/make-engines.ts';
import { type SourceOf, sourcesOf } from '../config/loading/sources.ts';
import type {
  AttemptObserver,
  ConsumerLag,
  DeliveryStats,
  EngineHealth,
  Logger,
} from '../contract/observing.ts';
import type { Capabilities } from '../contract/capabilities.ts';
import type { Engine, EngineHost } from '../contract/engine.ts';
import type {
  EventBus,
  EventHandler,
  PublishOptions,
  StartOptions,
  StopOptions,
  SubscribeOptions,
  Subscription,
} from '../contract/bus.ts';
import { describeError } from '../errors/describe-error.ts';
import { CancellableSubscription } from '../engine/engine-subscription.ts';
import { EventBusNotStartedError, InvalidOptionError, SubscriptionNotFoundError } from '../errors/errors.ts';
import type { NewEvent } from '../contract/event.ts';
import { createEvent } from '../contract/create-event.ts';
import { EventStream } from './event-stream.ts';
import { Lifecycle, type Observer } from './lifecycle.ts';
import { consoleLogger } from '../logging/logger.ts';
import type { HandleMiddleware } from './middleware.ts';
import { onAbort } from '../engine-kit/on-abort.ts';
import { countdown } from '../engine-kit/countdown.ts';
import { settlesWithin } from '../engine-kit/or-aborted.ts';
import { Publisher } from './publisher.ts';
import { aroundReceive } from './receive.ts';
import { type RedriveBus, type RedriveOptions, type RedriveResult, redrive } from './redrive/redrive.ts';
import { findEngineFactory } from '../registry/registry.ts';
import type { Router } from '../routing/router.ts';
import { createRouter } from '../routing/engine-router.ts';
import { Routing } from '../routing/routing.ts';
import type { StandardSchema } from '../typed/standard-schema.ts';
import {
  type InternalSubscribeOptions,
  identityOption,
  resolveStopTimeout,
} from '../engine/subscribe-options.ts';
import { groupFor } from '../contract/tenant.ts';
import { assertTopicOrPattern } from '../contract/topics.ts';
import type { TopicPublishOptions } from '../typed/typed-topics.ts';

const topicPublishNames = {
  ...signalName,
  id: true,
  key: true,
  metadata: true,
  createdAt: true,
} satisfies OptionNames<TopicPublishOptions>;

/** The part of a bus that metrics need. Every bus has it, whatever the types of its topics. */
export interface ObservableBus {
  readonly router: Router;
  observeAttempts(observer: AttemptObserver): () => void;
}

/** The implementation of the bus, without types for its topics. `createEventBus` adds them. */
export class UntypedEventBus implements Engine {
  readonly type = 'bus';
  readonly router: Router;
  readonly config: ParsedConfig;
  readonly #lifecycle: Lifecycle;
  readonly #logger: Logger;
  readonly #schemas: ReadonlyMap<string, StandardSchema>;
  readonly #handleMiddleware: readonly HandleMiddleware[];
  readonly #publisher: Publisher;
  readonly #subscriptions: BusSubscriptions;
  readonly #streams = new Set<EventStream>();
  readonly #onUndecodable: EventBusParts['onUndecodable'];
  readonly #routing: Routing;
  readonly #sourceOf: SourceOf;
  /** Engines that validation of the configuration created, by their index in it. */
  readonly #made: ReadonlyMap<number, MadeEngine>;
  #isStarted = false;
  #wasLoaded = false;
  #starting: Promise<void> | undefined;

  constructor(options: EventBusConfig & EventBusParts = {}) {
    assertParts(options);
    const {
      schemas = {},
      middleware = {},
      logger = consoleLogger,
      observers = [],
      onUndecodable,
      ...config
    } = options;
    this.#sourceOf = sourcesOf(options);
    const parsed = parseAndMake(config, this.#sourceOf);
    this.config = parsed.config;
    this.#made = parsed.made;
    this.#routing = new Routing(
      this.config.routing,
      this.config.engines.map(({ name }) => name),
    );
    this.#logger = adaptedLogger(logger);
    this.#lifecycle = new Lifecycle(this.config.source, this.#logger);
    this.#subscriptions = new BusSubscriptions(this.#lifecycle);
    for (const observer of observers) this.#lifecycle.observe(observer);
    this.#schemas = new Map(Object.entries(schemas));
    this.#onUndecodable = onUndecodable;
    const { publish = [], handle = [] } = middleware;
    this.#handleMiddleware = handle;
    this.router = createRouter({
      engines: this.config.engines.map(({ name, engine, type, config: own }, i) => ({
        name,
        engine: engine ?? (() => this.#makeEngine(name, type!, own ?? {}, i)),
      })),
      routing: this.config.routing,
      host: (name) => this.#hostOf(name),
    });
    this.#publisher = new Publisher(this.router, this.#lifecycle, this.#schemas, publish);
  }

  async #makeEngine(name: string, type: string, config: object, index: number): Promise<Engine> {
    const own = {
      index,
      name,
      type,
      config: config as EngineSpec['config'],
      isShared: !this.config.isMultiEngine,
    };
    const known = this.#made.get(index);
    const { engine, unused } = known ?? makeEngine(await findEngineFactory(type), own, this.#sourceOf);
    if (unused.length > 0) {
      const about = { engine: name, type, fields: unused };
      this.#logger.warn(
        `an engine of the type "${type}" does not have ${unused.join(', ')}: left out`,
        about,
      );
    }
    return engine;
  }

  #hostOf(name: string): EngineHost {
    return {
      name,
      logger: this.#logger,
      source: this.config.source,
      observer: this.#lifecycle,
      onUndecodable: this.#onUndecodable,
      publishDeadLetter: (input) => {
        const event = createEvent(input);
        return this.#publisher.send(event, undefined, this.#routing.engineForDeadLetter(event, name));
      },
    };
  }

  get untyped(): this {
    return this;
  }

  get capabilities(): Capabilities {
    return this.router.capabilities;
  }

  async start(options?: StartOptions): Promise<void> {
    assertOptionsOf('start', options);
    await (this.#starting ??= this.#start(options).finally(() => (this.#starting = undefined)));
  }

  async #start(options?: StartOptions): Promise<void> {
    if (!this.#wasLoaded) {
      this.#wasLoaded = true;
      this.#tellLoaded();
    }
    await this.router.start(options);
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#lifecycle.emit('bus.started', { engines: this.router.engineNames() });
  }

  #tellLoaded(): void {
    if (!this.#lifecycle.active) return;
    const { engines, routing, isMultiEngine, defaultEngine } = this.config;
    this.#lifecycle.emit('config.loaded', {
      engines: engines.map(({ name }) => name),
      types: Object.fromEntries(engines.map(({ name, engine, type }) => [name, engine?.type ?? type])),
      rules: routing.length,
      defaultEngine,
      isMultiEngine,
    });
  }

  /**
   * The first half of `stop`: stops taking new work and waits for running handlers, but still sends events that those handlers publish.
   *
   * @throws {@link ShutdownTimeoutError} if handlers still run after `timeoutMs`. They keep running.
   */
  async drain(options?: StopOptions): Promise<void> {
    assertOptionsOf('drain', options);
    this.#endUnreadStreams();
    await this.router.drain?.(options);
  }

  /** Ends the streams that nobody reads. A loop continues while it has events. */
  #endUnreadStreams(): void {
    for (const stream of this.#streams) if (!stream.isRead) stream.end();
  }

  async stop(options?: StopOptions): Promise<void> {
    assertOptionsOf('stop', options);
    let timed = options;
    if (this.#starting !== undefined) {
      const left = countdown(resolveStopTimeout(options?.timeoutMs));
      await settlesWithin(this.#starting, left());
      timed = { ...options, timeoutMs: left() };
    }
    const wasStarted = this.#isStarted;
    this.#isStarted = false;
    this.#endUnreadStreams();
    let error: { name: string; message: string } | undefined;
    try {
      await this.router.stop(timed);
    } catch (reason) {
      const { name, message } = describeError(reason);
      error = { name, message };
      throw reason;
    } finally {
      for (const stream of this.#streams) stream.end();
      if (wasStarted) {
        this.#subscriptions.forgetAll();
        this.#lifecycle.emit('bus.stopped', { engines: this.router.engineNames(), error });
      }
    }
  }

  publish(
    eventOrTopic: NewEvent | string,
    payloadOrOptions?: unknown,
    topicOptions?: TopicPublishOptions,
  ): Promise<void> {
    try {
      if (typeof eventOrTopic === 'string')
        return this.#publishTo(eventOrTopic, payloadOrOptions, topicOptions);
      const options = payloadOrOptions as PublishOptions | undefined;
      assertOptionsOf('publish', options);
      return this.#publisher.publish(createEvent(eventOrTopic), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #publishTo(topic: string, payload: unknown, options: TopicPublishOptions = {}): Promise<void> {
    assertOptionNames('publish(topic, payload)', options, topicPublishNames);
    const { signal, id, key, metadata, createdAt } = options;
    const event = createEvent({ topic, payload, id, key, metadata, createdAt });
    return this.#publisher.publish(event, signal === undefined ? undefined : { signal });
  }

  subscribe(topic: string, handler: EventHandler<never>, options?: SubscribeOptions): Promise<Subscription> {
    return this.#subscribe(topic, handler, false, options);
  }

  subscribeAsync(
    topic: string,
    handler: EventHandler<never>,
    options?: SubscribeOptions,
  ): Promise<Subscription> {
    return this.#subscribe(topic, handler, true, options);
  }

  async #subscribe(
    topic: string,
    handler: EventHandler<never>,
    isAsync: boolean,
    options: SubscribeOptions = {},
  ): Promise<Subscription> {
    const wrapped =
      typeof handler === 'function'
        ? aroundReceive(handler, this.#schemas, this.#handleMiddleware, this.router)
        : handler;
    return this.#attach(topic, wrapped, isAsync, options);
  }

  /** @param only - The engine to subscribe on. Default: every engine that may carry the topic. */
  async #attach(
    topic: string,
    handler: EventHandler<never>,
    isAsync: boolean,
    options: SubscribeOptions,
    only?: string,
  ): Promise<Subscription> {
    assertTopicOrPattern(topic);
    assertOptionsOf('subscribe', options);
    const { tenant } = options;
    const engine = only ?? this.router.enginesFor(topic, tenant).join(',');
    const on: EventBus = only === undefined ? this.router : this.router.engine(only);
    const about = { topic, isAsync, engine, group: groupFor(options.group, tenant) };
    const subscription = new CancellableSubscription(about, (self) => this.unsubscribe(self));
    const own: InternalSubscribeOptions = { ...options, [identityOption]: subscription };
    this.#subscriptions.begin(subscription);
    let routed: Subscription;
    try {
      routed = isAsync
        ? await on.subscribeAsync(topic, handler, own)
        : await on.subscribe(topic, handler, own);
    } catch (error) {
      this.#subscriptions.abort(subscription);
      throw error;
    }
    await this.#subscriptions.add(subscription, routed, options.signal);
    return subscription;
  }

  async unsubscribe(subscription: Subscription): Promise<void> {
    assertSubscription(subscription);
    if (!this.#subscriptions.knows(subscription)) {
      if (!this.#isStarted) throw new EventBusNotStartedError('unsubscribe', 'new');
      throw new SubscriptionNotFoundError(subscription.id);
    }
    await this.#subscriptions.remove(subscription);
  }

  /** Subscribes as an async iterator, for `for await`. See {@link EventStream}. */
  events(topic: string, options: SubscribeOptions = {}): EventStream {
    let unlink: (() => void) | undefined;
    const stream = new EventStream(
      async (handler) => {
        assertOptionsOf('subscribe', options);
        const { concurrency = 1 } = options;
        if (concurrency !== 1)
          throw new InvalidOptionError(
            'concurrency',
            concurrency,
            '1 or nothing: a stream delivers one event at a time',
          );
        return this.subscribeAsync(topic, handler, { ...options, concurrency });
      },
      () => {
        this.#streams.delete(stream);
        unlink?.();
      },
    );
    this.#streams.add(stream);
    // Without this a loop would wait for events of a cancelled subscription. `subscribe` refuses an invalid signal.
    if (options.signal instanceof AbortSignal) unlink = onAbort(options.signal, () => stream.end());
    return stream;
  }

  /** Publishes the dead letters of a topic back to it. See {@link RedriveOptions}. */
  redrive(topic: string, options?: RedriveOptions): Promise<RedriveResult> {
    const bus: RedriveBus = {
      router: this.router,
      publish: (event, engine) => this.#publisher.send(event, undefined, engine),
      subscribe: (engine, deadLetters, handler, own) =>
        this.#attach(deadLetters, handler, false, own, engine),
    };
    return redrive(bus, topic, options);
  }

  /**
   * Calls the observer for each lifecycle event from now on.
   *
   * @returns A function that stops it.
   */
  observe(observer: Observer): () => void {
    return this.#lifecycle.observe(observer);
  }

  /**
   * Calls the observer after each attempt of a handler, with its outcome and duration; for metrics. Attempts are timed only while there
   * are observers.
   *
   * @returns A function that stops it.
   */
  observeAttempts(observer: AttemptObserver): () => void {
    return this.#lifecycle.observeAttempts(observer);
  }

  topics(): string[] {
    return this.router.topics();
  }

  subscriberCount(topic: string): number {
    return this.router.subscriberCount(topic);
  }

  stats(): DeliveryStats {
    return this.router.stats();
  }

  statsPerEngine(): Record<string, DeliveryStats> {
    return this.router.statsPerEngine();
  }

  health(): Promise<EngineHealth> {
    return this.router.health();
  }

  /** Resolves with how far consumers are behind, on the engines whose broker knows it. Rejects if a broker cannot be reached. */
  lag(): Promise<readonly ConsumerLag[]> {
    return this.router.lag();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
