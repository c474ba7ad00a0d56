import { type ConfigLayer, combineConfig } from '../config/loading/config-layers.ts';
import type { EventBusConfig } from '../config/event-bus-config.ts';
import { maskValue } from '../errors/mask.ts';
import { rememberSources, sourcesOf } from '../config/loading/sources.ts';
import type { DeliveryStats } from '../contract/observing.ts';
import type {
  EventBus,
  EventHandler,
  PublishOptions,
  StartOptions,
  StopOptions,
  SubscribeOptions,
  Subscription,
} from '../contract/bus.ts';
import { type TypedEventBus, createEventBus } from '../bus/create-event-bus.ts';
import { sumStats } from '../dispatch/reporting/counters.ts';
import {
  EventBusNotStartedError,
  ModuleNotInitializedError,
  NoSubjectForEventEmissionError,
} from '../errors/errors.ts';
import { InvalidConfigError } from '../errors/config-errors.ts';
import { quote } from '../errors/polybus-error.ts';
import type { NewEvent } from '../contract/event.ts';
import type { EventBusParts } from '../bus/event-bus-parts.ts';
import type { UntypedEventBus } from '../bus/event-bus.ts';
import { lifecycleEventTypes } from '../bus/lifecycle.ts';
import type { Router } from '../routing/router.ts';
import { isPattern, matchesTopic } from '../contract/topics.ts';
import type { TopicMap, TopicPublishOptions } from '../typed/typed-topics.ts';
import { defaultsFor, moduleDefaults, withoutDefaults } from './default-config.ts';
import type {
  ModuleEvent,
  ModuleHost,
  ModuleMetrics,
  ModuleSubject,
  ServiceDependency,
  ServiceProvider,
} from './module-host.ts';

/** The module's name, and that of its section in the application's configuration. */
export const moduleName = 'eventbus';

/** The name of the service that the module provides: the bus. */
export const serviceName = 'eventbus.provider';

/** What the module is made of beside the application's configuration. */
export interface EventBusModuleOptions extends EventBusParts {
  /** What holds where the application's configuration says nothing. Default: the memory engine, with the Go module's values. */
  readonly config?: EventBusConfig | undefined;
}

/** Makes the module, for an application that constructs its modules once their services are there. */
export type ModuleConstructor = (
  host: ModuleHost,
  services: Readonly<Record<string, unknown>>,
) => EventBusModule;

/**
 * An event bus as a module of a host application, which calls in this order: `registerConfig`, `init`, then takes the service
 * of `providesServices`, `registerObservers`, `start`, and at the end `preStop` and `stop`. The module is itself an
 * {@link EventBus}; before `init` it refuses what an event bus refuses before `start`.
 *
 * @typeParam Topics - What handlers receive, per topic.
 * @typeParam Published - What publishers give, per topic; differs where schemas transform.
 */
export class EventBusModule<
  Topics extends TopicMap = Record<string, unknown>,
  Published extends TopicMap = Topics,
> implements EventBus {
  readonly name: typeof moduleName = moduleName;
  readonly #options: EventBusModuleOptions;
  #bus: TypedEventBus<Topics, Published> | undefined;
  #subject: ModuleSubject | undefined;
  #unobserve: (() => void) | undefined;

  constructor(options: EventBusModuleOptions = {}) {
    this.#options = options;
  }

  /** The modules that have to be there before this one: none. */
  dependencies(): string[] {
    return [];
  }

  /** How an application constructs the module itself: a new one, of the same options. */
  moduleConstructor(): ModuleConstructor {
    return () => new EventBusModule(this.#options);
  }

  /** The services that have to be there before this one: none. */
  requiresServices(): ServiceDependency[] {
    return [];
  }

  /** The bus, as the service `eventbus.provider`. */
  providesServices(): ServiceProvider<TypedEventBus<Topics, Published>>[] {
    const bus = (): TypedEventBus<Topics, Published> => this.bus;
    return [
      {
        name: serviceName,
        description: 'Publishes events and subscribes to them, over the configured engines',
        get instance() {
          return bus();
        },
      },
    ];
  }

  /** Tells the application of the section `eventbus`, and what holds where it says nothing. */
  registerConfig(host: ModuleHost): void {
    const { config: defaults = moduleDefaults } = this.#options;
    host.registerConfigSection?.(moduleName, { defaults, check: (section) => void this.#configOf(section) });
  }

  /**
   * Reads and checks the configuration, and makes the bus. Nothing is opened yet. A second call does nothing.
   *
   * @throws {@link InvalidConfigError} if the configuration is invalid. The error lists every problem.
   */
  init(host: ModuleHost = {}): void {
    if (this.#bus !== undefined) return;
    const config = this.#configOf(host.configSection?.(moduleName));
    const { config: _, ...parts } = this.#options;
    const logger = parts.logger ?? host.logger;
    const options = rememberSources({ ...parts, ...config, logger }, sourcesOf(config));
    this.#bus = createEventBus(options) as unknown as TypedEventBus<Topics, Published>;
    this.#observe();
  }

  /** What the application says wins over what the module was given, field by field. */
  #configOf(section: unknown): EventBusConfig {
    if (
      section !== undefined &&
      (typeof section !== 'object' || section === null || Array.isArray(section))
    ) {
      const shown = quote(typeof section === 'string' ? maskValue(section) : section);
      const message = `expected an object with fields such as "engine", got ${shown}`;
      throw new InvalidConfigError([{ path: moduleName, message }]);
    }
    const layer = (fields: object, source: string): ConfigLayer => ({
      fields: fields as Record<string, unknown>,
      sourceOf: () => source,
      errors: [],
    });
    const { config } = this.#options;
    const fields = (section ?? {}) as Readonly<Record<string, unknown>>;
    return combineConfig([
      layer(config ?? defaultsFor(fields), 'the module'),
      layer(config === undefined ? withoutDefaults(fields) : fields, `section "${moduleName}"`),
    ]);
  }

  /**
   * The bus that `init` made.
   *
   * @throws {@link ModuleNotInitializedError}
   */
  get bus(): TypedEventBus<Topics, Published> {
    if (this.#bus === undefined) throw new ModuleNotInitializedError(moduleName);
    return this.#bus;
  }

  /** Which engine carries which topic. Throws before `init`. */
  get router(): Router {
    return this.bus.router;
  }

  /** Opens the engines. Idempotent. */
  async start(options?: StartOptions): Promise<void> {
    await this.bus.start(options);
  }

  /**
   * Takes no new work and lets the handlers finish, so that what they publish to still runs. An application calls it on all its
   * modules before it stops the first.
   *
   * @throws {@link ShutdownTimeoutError} where the time was over first; `stop` abandons what is left.
   */
  async preStop(options?: StopOptions): Promise<void> {
    await this.#bus?.drain(options);
  }

  /** Drains, if that was not done, and closes the engines. Idempotent, and does nothing before `init`. */
  async stop(options?: StopOptions): Promise<void> {
    await this.#bus?.stop(options);
  }

  /** Counts over all engines, and what there is to subscribe to. All 0 before `init`. */
  collectMetrics(): ModuleMetrics {
    const { published, delivered, dropped, pending, failed, retried, deadLettered } = this.stats();
    const topics = this.topics();
    return {
      name: moduleName,
      values: {
        published_count: published,
        delivered_count: delivered,
        dropped_count: dropped,
        pending_count: pending,
        failed_count: failed,
        retried_count: retried,
        dead_lettered_count: deadLettered,
        topic_count: topics.length,
        subscriber_count: topics.reduce((sum, topic) => sum + this.#subscribersOfJust(topic, topics), 0),
      },
    };
  }

  /** Without those of patterns that match the topic: they are counted under their patterns. */
  #subscribersOfJust(topic: string, topics: readonly string[]): number {
    const count = this.subscriberCount(topic);
    if (isPattern(topic)) return count;
    const patterns = topics.filter((one) => isPattern(one) && matchesTopic(one, topic));
    return patterns.reduce((rest, pattern) => rest - this.subscriberCount(pattern), count);
  }

  /** Hands the lifecycle events of the bus to the application's observers from now on. Without it nobody observes. */
  registerObservers(subject: ModuleSubject): void {
    this.#subject = subject;
    this.#observe();
  }

  #observe(): void {
    if (this.#bus === undefined || this.#subject === undefined) return;
    this.#unobserve?.();
    this.#unobserve = this.#bus.observe((event) => this.emitEvent(event));
  }

  /**
   * Hands an event to the application's observers.
   *
   * @throws {@link NoSubjectForEventEmissionError} where `registerObservers` was not called.
   */
  async emitEvent(event: ModuleEvent): Promise<void> {
    if (this.#subject === undefined) throw new NoSubjectForEventEmissionError(event.type);
    await this.#subject.notifyObservers(event);
  }

  /** The ten types of events that the module emits. */
  getRegisteredEventTypes(): string[] {
    return [...lifecycleEventTypes];
  }

  publish(topic: string, payload: unknown, options?: TopicPublishOptions): Promise<void>;
  publish<T>(event: NewEvent<T>, options?: PublishOptions): Promise<void>;
  async publish(
    eventOrTopic: NewEvent | string,
    payloadOrOptions?: unknown,
    options?: TopicPublishOptions,
  ): Promise<void> {
    const bus = this.#ready('publish');
    if (typeof eventOrTopic !== 'string') return bus.publish(eventOrTopic, payloadOrOptions);
    return bus.publish(eventOrTopic, payloadOrOptions, options);
  }

  async subscribe<T>(
    topic: string,
    handler: EventHandler<T>,
    options?: SubscribeOptions,
  ): Promise<Subscription> {
    return this.#ready('subscribe').subscribe(topic, handler, options);
  }

  async subscribeAsync<T>(
    topic: string,
    handler: EventHandler<T>,
    options?: SubscribeOptions,
  ): Promise<Subscription> {
    return this.#ready('subscribe').subscribeAsync(topic, handler, options);
  }

  async unsubscribe(subscription: Subscription): Promise<void> {
    await this.#ready('unsubscribe').unsubscribe(subscription);
  }

  #ready(operation: string): UntypedEventBus {
    if (this.#bus === undefined) throw new EventBusNotStartedError(operation, 'new');
    return this.#bus.untyped as UntypedEventBus;
  }

  topics(): string[] {
    return this.#bus?.topics() ?? [];
  }

  subscriberCount(topic: string): number {
    return this.#bus?.subscriberCount(topic) ?? 0;
  }

  stats(): DeliveryStats {
    return this.#bus?.stats() ?? sumStats([]);
  }

  /** By the names of the engines; empty before `start`. */
  statsPerEngine(): Record<string, DeliveryStats> {
    return this.#bus?.statsPerEngine() ?? {};
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
