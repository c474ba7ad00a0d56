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
import type { TypedEventBus } from '../bus/typed-event-bus.ts';
import { createEventBus } from '../bus/create-event-bus.ts';
import { sumStats } from '../dispatch/reporting/counters.ts';
import {
  EventBusNotStartedError,
  ModuleNotInitializedError,
  NoSubjectForEventEmissionError,
} from '../errors/errors.ts';
import { InvalidConfigError } from '../errors/config-errors.ts';
import { quote } from '../errors/polybus-error.ts';
import type { NewEvent } from '../contract/event.ts';
import { type EventBusParts, assertConfigObject } from '../bus/event-bus-parts.ts';
import type { UntypedEventBus } from '../bus/event-bus.ts';
import { lifecycleEventTypes } from '../bus/lifecycle-events.ts';
import type { RouterView } from '../routing/router.ts';
import type { TopicMap, TopicPublishOptions } from '../typed/typed-topics.ts';
import { moduleMetrics } from './module-metrics.ts';
import { defaultsFor, moduleDefaults, withoutDefaults } from './default-config.ts';
import type {
  ModuleEvent,
  ModuleHost,
  ModuleMetrics,
  ModuleSubject,
  ServiceDependency,
  ServiceProvider,
} from './module-host.ts';

/** The name of the module and of its section in the application's configuration. */
export const moduleName = 'eventbus';

/** The name of the service that the module provides: the bus. */
export const serviceName = 'eventbus.provider';

/** The options of the module, besides the application's configuration. */
export interface EventBusModuleOptions extends EventBusParts {
  /** Defaults for fields that the application's configuration does not set. Default: the memory engine with the defaults of the Go module. */
  readonly config?: EventBusConfig | undefined;
}

/** Constructs the module, for an application that constructs its modules once their services are available. */
export type ModuleConstructor = (
  host: ModuleHost,
  services: Readonly<Record<string, unknown>>,
) => EventBusModule;

/**
 * An event bus as a module of a host application. The application calls `registerConfig` and `init`, takes the service of
 * `providesServices`, calls `registerObservers` and `start`, and at the end `preStop` and `stop`. The module is itself an
 * {@link EventBus}. Before `init` it refuses the same calls as an event bus before `start`.
 *
 * @typeParam Topics - The payload type that handlers get, per topic.
 * @typeParam Published - The payload type that publishers pass, per topic, if schemas transform payloads.
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

  /** @throws {@link InvalidConfigError} if the options are not an object. `init` validates them. */
  constructor(options: EventBusModuleOptions = {}) {
    assertConfigObject(options);
    this.#options = options;
  }

  /** Returns the modules that this module depends on: none. */
  dependencies(): string[] {
    return [];
  }

  /** Returns a function that constructs a new module with the same options. */
  moduleConstructor(): ModuleConstructor {
    return () => new EventBusModule(this.#options);
  }

  /** Returns the services that this module depends on: none. */
  requiresServices(): ServiceDependency[] {
    return [];
  }

  /** Returns the service that the module provides: the bus, as `eventbus.provider`. */
  providesServices(): ServiceProvider<TypedEventBus<Topics, Published>>[] {
    const bus = (): TypedEventBus<Topics, Published> => this.bus;
    return [
      {
        name: serviceName,
        description: 'Publishes and delivers events over the configured engines',
        get instance() {
          return bus();
        },
      },
    ];
  }

  /** Registers the section `eventbus` and its defaults with the application. */
  registerConfig(host: ModuleHost): void {
    const { config: defaults = moduleDefaults } = this.#options;
    host.registerConfigSection?.(moduleName, { defaults, check: (section) => void this.#configOf(section) });
  }

  /**
   * Reads and validates the configuration and creates the bus. It opens no connection. A second call does nothing.
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

  /** Merges the application's section over the module's own configuration, field by field. */
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
   * The bus that `init` created.
   *
   * @throws {@link ModuleNotInitializedError} before `init`.
   */
  get bus(): TypedEventBus<Topics, Published> {
    if (this.#bus === undefined) throw new ModuleNotInitializedError(moduleName);
    return this.#bus;
  }

  /** The engines by name, and which engine carries which topic. Throws {@link ModuleNotInitializedError} before `init`. */
  get router(): RouterView {
    return this.bus.router;
  }

  /** Starts the engines. Idempotent. */
  async start(options?: StartOptions): Promise<void> {
    await this.bus.start(options);
  }

  /**
   * Stops taking new work and waits for running handlers, whose own publishes still work. An application calls it on all its modules
   * before it stops the first.
   *
   * @throws {@link ShutdownTimeoutError} if handlers still run after `timeoutMs`. `stop` then abandons them.
   */
  async preStop(options?: StopOptions): Promise<void> {
    await this.#bus?.drain(options);
  }

  /** Drains the bus, unless `preStop` did, and closes the engines. Idempotent. It does nothing before `init`. */
  async stop(options?: StopOptions): Promise<void> {
    await this.#bus?.stop(options);
  }

  /** Returns the counters of all engines, and the numbers of topics and subscriptions. All are 0 before `init`. */
  collectMetrics(): ModuleMetrics {
    return moduleMetrics(moduleName, this.stats(), this);
  }

  /** Passes the lifecycle events of the bus to the application's subject from now on. */
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
   * Passes an event to the application's subject.
   *
   * @throws {@link NoSubjectForEventEmissionError} if `registerObservers` was not called.
   */
  async emitEvent(event: ModuleEvent): Promise<void> {
    if (this.#subject === undefined) throw new NoSubjectForEventEmissionError(event.type);
    await this.#subject.notifyObservers(event);
  }

  /** Returns the types of events that the module emits. */
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

  /** Returns the counters of each engine by its name. It is empty before `start`. */
  statsPerEngine(): Record<string, DeliveryStats> {
    return this.#bus?.statsPerEngine() ?? {};
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
