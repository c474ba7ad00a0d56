import { allOrErrors } from './all-or-errors.ts';
import { assertSubscription } from '../engine/assert-subscription.ts';
import { assertOptionsOf } from '../engine/call-options.ts';
import { type Capabilities, commonCapabilities } from '../contract/capabilities.ts';
import { Routing } from './routing.ts';
import type { RoutedEngine, Router, RouterOptions } from './router.ts';
import type { ConsumerLag, DeliveryStats, EngineHealth } from '../contract/observing.ts';
import type { Engine, EngineHost } from '../contract/engine.ts';
import type {
  EventHandler,
  PublishOptions,
  StartOptions,
  StopOptions,
  SubscribeOptions,
  Subscription,
} from '../contract/bus.ts';
import { assertContractVersion } from '../contract/contract-version.ts';
import { sumStats } from '../dispatch/reporting/counters.ts';
import { insideHandler } from '../dispatch/delivery.ts';
import { WorkerPool } from '../dispatch/workers/worker-pool.ts';
import { CancellableSubscription } from '../engine/engine-subscription.ts';
import { describeError } from '../errors/describe-error.ts';
import { EngineNotFoundError, EventBusNotStartedError } from '../errors/errors.ts';
import { PolybusError } from '../errors/polybus-error.ts';
import type { NewEvent } from '../contract/event.ts';
import { createEvent } from '../contract/create-event.ts';
import { standaloneHost } from '../engine/host.ts';
import { loadEngines } from './load-engines.ts';
import { countdown } from '../engine-kit/countdown.ts';
import { settlesWithin } from '../engine-kit/or-aborted.ts';
import {
  type InternalSubscribeOptions,
  gateOption,
  identityOption,
  resolveStopTimeout,
} from '../engine/subscribe-options.ts';
import { SpanningSubscriptions } from './spanning-subscriptions.ts';
import { groupFor, tenantOf } from '../contract/tenant.ts';
import { assertTopicOrPattern } from '../contract/topics.ts';

/** Routes topics to engines by rules. A pattern's subscription is on every engine that could carry a match. */
export function createRouter(options: RouterOptions): Router {
  return new EngineRouter(options);
}

class EngineRouter implements Router {
  readonly type = 'router';
  readonly #slots: readonly RoutedEngine[];
  readonly #engines = new Map<string, Engine>();
  readonly #routing: Routing;
  readonly #host: (name: string) => EngineHost;
  /** The engines' subscriptions that make up each of ours. */
  readonly #parts = new WeakMap<Subscription, readonly Subscription[]>();
  readonly #spanning = new SpanningSubscriptions();
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor({ engines, routing = [], host }: RouterOptions) {
    this.#slots = engines;
    this.#routing = new Routing(
      routing,
      engines.map(({ name }) => name),
    );
    this.#host =
      host ??
      ((name) =>
        standaloneHost(name, async (input) => {
          const event = createEvent(input);
          await this.engine(this.#routing.engineForDeadLetter(event, name)).publish(event);
        }));
    for (const { name, engine } of engines) if (typeof engine !== 'function') this.#adopt(name, engine);
  }

  #adopt(name: string, engine: Engine): void {
    assertContractVersion(name, engine);
    engine.attach?.(this.#host(name));
    this.#engines.set(name, engine);
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
    return this.#slots.map(({ name }) => name);
  }

  engine(name: string): Engine {
    return this.#loaded(name, `use the engine "${name}"`);
  }

  #loaded(name: string, operation: string): Engine {
    const engine = this.#engines.get(name);
    if (engine !== undefined) return engine;
    if (!this.engineNames().includes(name)) throw new EngineNotFoundError(name, this.engineNames());
    throw new EventBusNotStartedError(operation, 'new', { engine: name });
  }

  async start(options: StartOptions = {}): Promise<void> {
    assertOptionsOf('start', options);
    await (this.#starting ??= this.#start(options).finally(() => (this.#starting = undefined)));
  }

  async #start(options: StartOptions): Promise<void> {
    await this.#stopping?.catch(() => {});
    await loadEngines(
      this.#slots,
      (name) => this.#engines.has(name),
      (name, engine) => this.#adopt(name, engine),
    );
    const engines = [...this.#engines.values()];
    try {
      await allOrErrors(
        engines.map((engine) => engine.start(options)),
        'engines did not start',
      );
    } catch (error) {
      await Promise.allSettled(engines.map((engine) => engine.stop({ timeoutMs: 0 })));
      throw error;
    }
  }

  async drain(options: StopOptions = {}): Promise<void> {
    assertOptionsOf('drain', options);
    const timeoutMs = resolveStopTimeout(options.timeoutMs);
    const timeLeft = countdown(timeoutMs);
    const engines = [...this.#engines.values()];
    let before: number;
    // What the caller asked for stands in the error of the first round, where nearly every timeout happens.
    let left = timeoutMs;
    do {
      before = this.stats().enqueued;
      await allOrErrors(
        engines.map(async (engine) => engine.drain?.({ ...options, timeoutMs: left })),
        'engines were not drained',
      );
      left = timeLeft();
      // A handler of one engine that finished last may have published to another that was drained already.
    } while (this.stats().enqueued !== before);
  }

  /**
   * Stops all engines, whatever fails.
   *
   * @throws what the one engine threw that failed; an `AggregateError` where several did.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    assertOptionsOf('stop', options);
    // A stop that is under way may wait for this very handler, which would then wait for itself.
    if (this.#stopping !== undefined && insideHandler()) return;
    await (this.#stopping ??= this.#stop(options).finally(() => (this.#stopping = undefined)));
  }

  async #stop(options: StopOptions): Promise<void> {
    const left = countdown(resolveStopTimeout(options.timeoutMs));
    // Awaited only where there is something to wait for: what is published right after stop() is refused.
    const timed = this.#starting === undefined ? options : await this.#started(options, left);
    const undrained = await this.drain(timed).then(
      () => undefined,
      (error: unknown) => error,
    );
    const timeoutMs = left();
    this.#spanning.clear();
    try {
      await allOrErrors(
        [...this.#engines.values()].map((engine) => engine.stop({ ...options, timeoutMs })),
        'engines did not stop cleanly',
      );
    } catch (error) {
      // What timed out did so while it was drained: that error knows how long it waited.
      throw undrained !== undefined && isTimeout(error) ? undrained : error;
    }
  }

  /** Waits for a start that is under way, and lets the engines give it up when the time is over. */
  async #started(options: StopOptions, left: () => number): Promise<StopOptions> {
    const starting = this.#starting!;
    if (!(await settlesWithin(starting, left()))) {
      await Promise.allSettled([...this.#engines.values()].map((engine) => engine.stop({ timeoutMs: 0 })));
      await starting.catch(() => {});
    }
    return { ...options, timeoutMs: left() };
  }

  publish<T>(input: NewEvent<T>, options?: PublishOptions): Promise<void> {
    try {
      const event = createEvent(input);
      return this.#loaded(this.engineFor(event.topic, tenantOf(event)), 'publish').publish(event, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  subscribe<T>(topic: string, handler: EventHandler<T>, options?: SubscribeOptions): Promise<Subscription> {
    return this.#subscribe(topic, false, options, (engine, own) => engine.subscribe(topic, handler, own));
  }

  subscribeAsync<T>(
    topic: string,
    handler: EventHandler<T>,
    options?: SubscribeOptions,
  ): Promise<Subscription> {
    return this.#subscribe(topic, true, options, (engine, own) => engine.subscribeAsync(topic, handler, own));
  }

  async #subscribe(
    topic: string,
    isAsync: boolean,
    options: InternalSubscribeOptions | undefined,
    attach: (engine: Engine, options: InternalSubscribeOptions | undefined) => Promise<Subscription>,
  ): Promise<Subscription> {
    assertTopicOrPattern(topic);
    assertOptionsOf('subscribe', options);
    const names = this.enginesFor(topic, options?.tenant);
    const engines = names.map((name) => this.#loaded(name, 'subscribe'));
    if (engines.length === 1) {
      const subscription = await attach(engines[0]!, options);
      this.#parts.set(subscription, [subscription]);
      return subscription;
    }
    const about = {
      topic,
      isAsync,
      engine: names.join(','),
      group: groupFor(options?.group, options?.tenant),
    };
    const subscription = new CancellableSubscription(about, (self) => this.unsubscribe(self));
    // On several engines it is still one subscription: its concurrency is shared, and its handlers see one identity.
    const concurrency = isAsync ? options?.concurrency : 1;
    const shared: InternalSubscribeOptions = {
      ...options,
      [identityOption]: options?.[identityOption] ?? subscription,
      [gateOption]: concurrency === undefined ? undefined : new WorkerPool(concurrency),
    };
    const attaching = engines.map((engine) => attach(engine, shared));
    try {
      const parts = await allOrErrors(attaching, `engines could not subscribe to "${topic}"`);
      this.#parts.set(subscription, parts);
      this.#spanning.add(subscription, names, options?.signal);
    } catch (error) {
      await Promise.allSettled(attaching.map(async (part) => (await part).cancel()));
      throw error;
    }
    return subscription;
  }

  async unsubscribe(subscription: Subscription): Promise<void> {
    assertSubscription(subscription);
    const parts = this.#parts.get(subscription);
    // Not ours: the first engine says whether it is too early or too late, or the wrong bus.
    if (parts === undefined)
      return this.#loaded(this.engineNames()[0]!, 'unsubscribe').unsubscribe(subscription);
    this.#spanning.remove(subscription);
    await allOrErrors(
      parts.map((part) => part.cancel()),
      'engines did not unsubscribe',
    );
  }

  topics(): string[] {
    return [...new Set([...this.#engines.values()].flatMap((engine) => engine.topics()))];
  }

  subscriberCount(topic: string): number {
    assertTopicOrPattern(topic);
    const names = this.enginesFor(topic);
    const counts = names.map((name) => this.#engines.get(name)?.subscriberCount(topic) ?? 0);
    return counts.reduce((sum, count) => sum + count, 0) - this.#spanning.surplus(topic, names);
  }

  stats(): DeliveryStats {
    return sumStats(Object.values(this.statsPerEngine()));
  }

  statsPerEngine(): Record<string, DeliveryStats> {
    return Object.fromEntries([...this.#engines].map(([name, engine]) => [name, engine.stats()]));
  }

  async healthPerEngine(): Promise<Record<string, EngineHealth>> {
    const one = async (name: string): Promise<[string, EngineHealth]> => {
      const engine = this.#engines.get(name);
      if (engine === undefined) return [name, { status: 'down', state: 'new' }];
      try {
        return [name, await engine.health()];
      } catch (error) {
        // An engine that was written without `createEngine` may reject: the health of the others is wanted all the more.
        return [name, { status: 'down', state: 'started', error: describeError(error).message }];
      }
    };
    return Object.fromEntries(await Promise.all(this.engineNames().map(one)));
  }

  async health(): Promise<EngineHealth> {
    const engines = await this.healthPerEngine();
    const all = Object.entries(engines);
    const ill = all.filter(([, { status }]) => status !== 'up');
    const state = all.find(([, one]) => one.state !== 'started')?.[1].state ?? 'started';
    if (ill.length === 0) return { status: 'up', state, details: { engines } };
    const status =
      ill.length === all.length && ill.every(([, one]) => one.status === 'down') ? 'down' : 'degraded';
    const error = ill.map(([name, one]) => `${name}: ${one.error ?? one.status}`).join('; ');
    return { status, state, error, details: { engines } };
  }

  async lagPerEngine(): Promise<Record<string, readonly ConsumerLag[]>> {
    const one = async ([name, engine]: [string, Engine]): Promise<[string, readonly ConsumerLag[]]> => [
      name,
      (await engine.lag?.()) ?? [],
    ];
    // An engine that is configured by its type is not even there before the first start.
    for (const name of this.engineNames()) this.#loaded(name, 'lag');
    try {
      return Object.fromEntries(
        await allOrErrors([...this.#engines].map(one), 'engines could not tell their lag'),
      );
    } catch (error) {
      // Where none is started, that is one reason.
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

function isTimeout(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isTimeout);
  return PolybusError.is(error) && error.code === 'SHUTDOWN_TIMEOUT';
}
