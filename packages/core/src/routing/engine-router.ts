import type {
  EventHandler,
  PublishOptions,
  StartOptions,
  StopOptions,
  SubscribeOptions,
  Subscription,
} from '../contract/bus.ts';
import { type Capabilities, commonCapabilities } from '../contract/capabilities.ts';
import { createEvent } from '../contract/create-event.ts';
import type { Engine, EngineHost } from '../contract/engine.ts';
import type { NewEvent } from '../contract/event.ts';
import type { ConsumerLag, DeliveryStats, EngineHealth } from '../contract/observing.ts';
import { groupFor, tenantOf } from '../contract/tenant.ts';
import { assertTopicOrPattern } from '../contract/topics.ts';
import { eventToPublish } from '../dispatch/event-to-publish.ts';
import { WorkerPool } from '../dispatch/workers/worker-pool.ts';
import { assertSubscription } from '../engine/options/assert-subscription.ts';
import { assertOptionsOf } from '../engine/options/call-options.ts';
import { assertCanDelay, isDelayed } from '../engine/options/delay-options.ts';
import { CancellableSubscription } from '../engine/engine-subscription.ts';
import { standaloneHost } from '../engine/host.ts';
import {
  type InternalSubscribeOptions,
  batchOption,
  identityOption,
} from '../engine/options/subscribe-options.ts';
import { describeError } from '../errors/describe-error.ts';
import { PolybusError } from '../errors/polybus-error.ts';
import { allOrErrors } from './all-or-errors.ts';
import { combinedHealth } from './combined-health.ts';
import { type RoutedEngine, RoutedEngines } from './routed-engines.ts';
import type { Router } from './router.ts';
import { RoutingRules, type RoutingRule } from './routing-rules.ts';
import { SpanningSubscriptions } from './spanning-subscriptions.ts';

export interface RouterOptions {
  /** The engines, at least one. Topics without a matching rule use the first engine. */
  readonly engines: readonly RoutedEngine[];
  /** Routing rules in order. The first rule that matches a topic applies. */
  readonly routing?: readonly RoutingRule[] | undefined;
  /** The host of each engine. Default: logs go to the console, and dead letters are routed by the rules. */
  readonly host?: ((name: string) => EngineHost) | undefined;
}

/** Creates a router, which routes topics to engines by rules. A pattern subscription uses every engine that may carry a matching topic. */
export function createRouter(options: RouterOptions): Router {
  return new EngineRouter(options);
}

class EngineRouter implements Router {
  readonly type = 'router';
  readonly #routing: RoutingRules;
  readonly #engines: RoutedEngines;
  /** For each subscription of the router, the subscriptions of the engines that it consists of. */
  readonly #parts = new WeakMap<Subscription, readonly Subscription[]>();
  readonly #spanning = new SpanningSubscriptions();
  /** Subscriptions that the engines have not made yet, because their handlers may already get events and cancel them. */
  readonly #unmade = new Set<Subscription>();

  constructor({ engines, routing = [], host }: RouterOptions) {
    const names = engines.map(({ name }) => name);
    this.#routing = new RoutingRules(routing, names);
    const hostOf =
      host ??
      ((name: string) =>
        standaloneHost(name, async (input) => {
          const event = createEvent(input);
          await this.engine(this.#routing.engineForDeadLetter(event, name)).publish(event);
        }));
    this.#engines = new RoutedEngines(this, engines, hostOf, () => this.#spanning.clear());
  }

  get capabilities(): Capabilities {
    return commonCapabilities(this.engineNames().map((name) => this.engine(name).capabilities));
  }

  engineFor(topic: string, tenant?: string): string {
    return this.#routing.engineFor(topic, tenant);
  }

  enginesFor(topicOrPattern: string, tenant?: string): string[] {
    return this.#routing.enginesFor(topicOrPattern, tenant);
  }

  engineNames(): string[] {
    return [...this.#engines.names];
  }

  engine(name: string): Engine {
    return this.#engines.get(name, `use the engine "${name}"`);
  }

  async start(options: StartOptions = {}): Promise<void> {
    await this.#engines.start(options);
  }

  async drain(options: StopOptions = {}): Promise<void> {
    await this.#engines.drain(options);
  }

  async stop(options: StopOptions = {}): Promise<void> {
    await this.#engines.stop(options);
  }

  publish<T>(input: NewEvent<T>, options?: PublishOptions): Promise<void> {
    try {
      const event = eventToPublish(input);
      const name = this.engineFor(event.topic, tenantOf(event));
      const engine = this.#engines.get(name, 'publish');
      // An engine that was not made by `createEngine` may know no delays, and would publish the event at once.
      if (options !== undefined && isDelayed(options))
        assertCanDelay(options, { name, type: engine.type, capabilities: engine.capabilities });
      return engine.publish(event, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  subscribe<T>(topic: string, handler: EventHandler<T>, options?: SubscribeOptions): Promise<Subscription> {
    return this.#subscribe(topic, false, options, (engine, engineOptions) =>
      engine.subscribe(topic, handler, engineOptions),
    );
  }

  subscribeAsync<T>(
    topic: string,
    handler: EventHandler<T>,
    options?: SubscribeOptions,
  ): Promise<Subscription> {
    return this.#subscribe(topic, true, options, (engine, engineOptions) =>
      engine.subscribeAsync(topic, handler, engineOptions),
    );
  }

  async #subscribe(
    topic: string,
    isAsync: boolean,
    options: InternalSubscribeOptions | undefined,
    subscribeOn: (engine: Engine, options: InternalSubscribeOptions | undefined) => Promise<Subscription>,
  ): Promise<Subscription> {
    assertTopicOrPattern(topic);
    assertOptionsOf('subscribe', options);
    const names = this.enginesFor(topic, options?.tenant);
    const engines = names.map((name) => this.#engines.get(name, 'subscribe'));
    if (engines.length === 1) {
      const subscription = await subscribeOn(engines[0]!, options);
      this.#parts.set(subscription, [subscription]);
      return subscription;
    }
    const subscription = new CancellableSubscription(
      {
        topic,
        isAsync,
        engine: names.join(','),
        group: groupFor(options?.group, options?.tenant),
      },
      (self) => this.unsubscribe(self),
      options?.[identityOption]?.flow,
    );
    // On several engines it is still one subscription: its concurrency is shared, and its handlers see one identity.
    if (options?.[batchOption] === undefined)
      subscription.flow.gate = new WorkerPool(isAsync ? (options?.concurrency ?? Infinity) : 1);
    const shared: InternalSubscribeOptions = {
      ...options,
      [identityOption]: options?.[identityOption] ?? subscription,
    };
    this.#unmade.add(subscription);
    const subscribing = engines.map((engine) => subscribeOn(engine, shared));
    try {
      const parts = await allOrErrors(subscribing, `engines could not subscribe to "${topic}"`);
      this.#parts.set(subscription, parts);
      for (const part of parts) subscription.leads(part);
      this.#spanning.add(subscription, names, options?.signal);
    } catch (error) {
      this.#unmade.delete(subscription);
      await Promise.allSettled(subscribing.map(async (part) => (await part).cancel()));
      throw error;
    }
    if (!this.#unmade.delete(subscription)) await subscription.cancel();
    return subscription;
  }

  async unsubscribe(subscription: Subscription): Promise<void> {
    assertSubscription(subscription);
    if (this.#unmade.delete(subscription)) return;
    const parts = this.#parts.get(subscription);
    // A subscription of another bus: the first engine says whether it is too early or too late, or the wrong bus.
    if (parts === undefined)
      return this.#engines.get(this.#engines.names[0]!, 'unsubscribe').unsubscribe(subscription);
    this.#spanning.remove(subscription);
    await allOrErrors(
      parts.map((part) => part.cancel()),
      'engines did not unsubscribe',
    );
  }

  topics(): string[] {
    return [...new Set([...this.#engines.existing.values()].flatMap((engine) => engine.topics()))];
  }

  subscriberCount(topic: string): number {
    assertTopicOrPattern(topic);
    const names = this.enginesFor(topic);
    const counts = names.map((name) => this.#engines.existing.get(name)?.subscriberCount(topic) ?? 0);
    return counts.reduce((sum, count) => sum + count, 0) - this.#spanning.surplus(topic, names);
  }

  stats(): DeliveryStats {
    return this.#engines.stats();
  }

  statsPerEngine(): Record<string, DeliveryStats> {
    return Object.fromEntries([...this.#engines.existing].map(([name, engine]) => [name, engine.stats()]));
  }

  async healthPerEngine(): Promise<Record<string, EngineHealth>> {
    const healthOf = async (name: string): Promise<[string, EngineHealth]> => {
      const engine = this.#engines.existing.get(name);
      if (engine === undefined) return [name, { status: 'down', state: 'new' }];
      try {
        return [name, await engine.health()];
      } catch (error) {
        // An engine that was not made by `createEngine` may reject. The health of the other engines is still reported.
        return [name, { status: 'down', state: 'started', error: describeError(error).message }];
      }
    };
    return Object.fromEntries(await Promise.all(this.engineNames().map(healthOf)));
  }

  async health(): Promise<EngineHealth> {
    return combinedHealth(await this.healthPerEngine());
  }

  async lagPerEngine(): Promise<Record<string, readonly ConsumerLag[]>> {
    const lagOf = async ([name, engine]: [string, Engine]): Promise<[string, readonly ConsumerLag[]]> => [
      name,
      (await engine.lag?.()) ?? [],
    ];
    // Throws if an engine that is configured by its type has not been created yet.
    for (const name of this.engineNames()) this.#engines.get(name, 'lag');
    try {
      return Object.fromEntries(
        await allOrErrors([...this.#engines.existing].map(lagOf), 'engines could not report their lag'),
      );
    } catch (error) {
      // If no engine is started, that is one reason.
      if (error instanceof AggregateError && error.errors.every(isNotStarted)) throw error.errors[0];
      throw error;
    }
  }

  async lag(): Promise<readonly ConsumerLag[]> {
    return Object.values(await this.lagPerEngine()).flat();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

function isNotStarted(error: unknown): boolean {
  return PolybusError.is(error) && error.code === 'EVENT_BUS_NOT_STARTED';
}
