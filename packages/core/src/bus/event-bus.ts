import type { EventBusConfig, ParsedConfig } from '../config/event-bus-config.ts';
import { sourcesOf } from '../config/loading/sources.ts';
import { configFields, parseAndMake } from '../config/parse-config.ts';
import type {
  BatchHandler,
  EventHandler,
  PublishOptions,
  StartOptions,
  StopOptions,
  SubscribeBatchOptions,
  SubscribeOptions,
  Subscription,
} from '../contract/bus.ts';
import type { Capabilities } from '../contract/capabilities.ts';
import type { Engine } from '../contract/engine.ts';
import type { NewEvent } from '../contract/event.ts';
import type {
  AttemptObserver,
  ConsumerLag,
  DeliveryStats,
  EngineHealth,
  Logger,
} from '../contract/observing.ts';
import { assertSubscription } from '../engine/options/assert-subscription.ts';
import { assertOptionsOf, assertStopOptions } from '../engine/options/call-options.ts';
import { eventToPublish } from '../dispatch/event-to-publish.ts';
import { waitsForCaller } from '../dispatch/wait-graph.ts';
import { SharedStart } from '../engine/shared-calls.ts';
import { countdown } from '../engine-kit/countdown.ts';
import { settlesWithin } from '../engine-kit/or-aborted.ts';
import { describeError } from '../errors/describe-error.ts';
import { EventBusNotStartedError, SubscriptionNotFoundError } from '../errors/errors.ts';
import { adaptedLogger } from '../logging/adapted-logger.ts';
import { consoleLogger } from '../logging/logger.ts';
import type { Router } from '../routing/router.ts';
import type { StandardSchema } from '../typed/standard-schema.ts';
import type { TopicPublishOptions } from '../typed/typed-topics.ts';
import { batchHandling } from './batch-handling.ts';
import { BusSubscriptions } from './bus-subscriptions.ts';
import { createBusRouter } from './create-bus-router.ts';
import { type EventBusParts, assertParts } from './event-bus-parts.ts';
import type { EventStream } from './event-stream.ts';
import { EventStreams } from './event-streams.ts';
import { Lifecycle, type Observer } from './lifecycle-events.ts';
import type { HandleMiddleware } from './middleware.ts';
import { Publisher } from './publisher.ts';
import { aroundReceive } from './receive.ts';
import type { RedriveBus, RedriveOptions } from './redrive/redrive-run.ts';
import { type RedriveResult, redrive } from './redrive/redrive.ts';

/** The implementation of the bus, without types for its topics. `createEventBus` adds them. */
export class UntypedEventBus implements Engine {
  readonly type = 'bus';
  readonly router: Router;
  readonly config: ParsedConfig;
  readonly #logger: Logger;
  readonly #lifecycle: Lifecycle;
  readonly #schemas: ReadonlyMap<string, StandardSchema>;
  readonly #handleMiddleware: readonly HandleMiddleware[];
  readonly #publisher: Publisher;
  readonly #subscriptions: BusSubscriptions;
  readonly #streams = new EventStreams();
  #isStarted = false;
  #isDrained = false;
  #isConfigReported = false;
  readonly #starting = new SharedStart(() => waitsForCaller(this.router));

  constructor(options: EventBusConfig & EventBusParts = {}) {
    assertParts(options, configFields);
    const {
      schemas = {},
      middleware: { publish = [], handle = [] } = {},
      logger: givenLogger = consoleLogger,
      observers = [],
      onUndecodable,
      ...givenConfig
    } = options;
    const sourceOf = sourcesOf(options);
    const parsed = parseAndMake(givenConfig, sourceOf);
    const logger = adaptedLogger(givenLogger);
    this.config = parsed.config;
    this.#logger = logger;
    this.#lifecycle = new Lifecycle(parsed.config.source, logger);
    for (const observer of observers) this.#lifecycle.observe(observer);
    this.#schemas = new Map(Object.entries(schemas));
    this.#handleMiddleware = handle;
    this.router = createBusRouter({
      ...parsed,
      sourceOf,
      logger,
      observer: this.#lifecycle,
      onUndecodable,
      publishDeadLetter: (event, engine) => this.#publisher.send(event, undefined, engine),
    });
    this.#subscriptions = new BusSubscriptions(this.router, this.#lifecycle);
    this.#publisher = new Publisher(this.router, this.#lifecycle, this.#schemas, publish);
  }

  get untyped(): this {
    return this;
  }

  get capabilities(): Capabilities {
    return this.router.capabilities;
  }

  async start(options: StartOptions = {}): Promise<void> {
    assertOptionsOf('start', options);
    await this.#starting.run(options, () => this.#start(options));
  }

  async #start(options: StartOptions): Promise<void> {
    // As after `stop`: without its earlier subscriptions, whose streams would otherwise wait forever.
    if (this.#isDrained) await this.#stop({}).catch(() => {});
    if (!this.#isConfigReported) {
      this.#isConfigReported = true;
      this.#reportConfig();
    }
    await this.router.start(options);
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#lifecycle.emit('bus.started', { engines: this.router.engineNames() });
  }

  #reportConfig(): void {
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
    assertStopOptions('drain', options);
    this.#isDrained = this.#isStarted || this.#starting.underWay !== undefined;
    this.#streams.endUnread();
    await this.router.drain?.(options);
  }

  async stop(options?: StopOptions): Promise<void> {
    const timeoutMs = assertStopOptions('stop', options);
    await this.#starting.endWith(this.#stopAfterStart(options, timeoutMs));
  }

  async #stopAfterStart(options: StopOptions | undefined, timeoutMs: number): Promise<void> {
    let remaining = options;
    const starting = this.#starting.underWay;
    if (starting !== undefined) {
      const timeLeft = countdown(timeoutMs);
      await settlesWithin(starting, timeLeft(), options?.signal);
      remaining = { ...options, timeoutMs: timeLeft() };
    }
    await this.#stop(remaining);
  }

  async #stop(options: StopOptions | undefined): Promise<void> {
    const wasStarted = this.#isStarted;
    this.#isStarted = false;
    this.#isDrained = false;
    this.#streams.endUnread();
    let error: { name: string; message: string } | undefined;
    try {
      await this.router.stop(options);
    } catch (reason) {
      const { name, message } = describeError(reason);
      error = { name, message };
      throw reason;
    } finally {
      this.#streams.endAll();
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
        return this.#publisher.publishTo(eventOrTopic, payloadOrOptions, topicOptions);
      const options = payloadOrOptions as PublishOptions | undefined;
      assertOptionsOf('publish', options);
      return this.#publisher.publish(eventToPublish(eventOrTopic), options);
    } catch (error) {
      return Promise.reject(error);
    }
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
    return this.#subscriptions.subscribe(topic, wrapped, isAsync, options);
  }

  async subscribeBatch(
    topic: string,
    handler: BatchHandler<never>,
    options: SubscribeBatchOptions = {},
  ): Promise<Subscription> {
    const { batches, subscribeOptions } = batchHandling(topic, handler, options);
    const one = aroundReceive(batches.join, this.#schemas, this.#handleMiddleware, this.router);
    return this.#subscriptions.subscribe(topic, batches.around(one), true, subscribeOptions);
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
    return this.#streams.open(
      (handler, streamOptions) => this.subscribeAsync(topic, handler, streamOptions),
      options,
    );
  }

  /** Publishes the dead letters of a topic back to it. See {@link RedriveOptions}. */
  redrive(topic: string, options?: RedriveOptions): Promise<RedriveResult> {
    const bus: RedriveBus = {
      router: this.router,
      logger: this.#logger,
      publish: (event, engine) => this.#publisher.send(event, undefined, engine),
      subscribe: (engine, deadLetters, handler, subscribeOptions) =>
        this.#subscriptions.subscribe(deadLetters, handler, false, subscribeOptions, engine),
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
