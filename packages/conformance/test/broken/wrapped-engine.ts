import type {
  DeliveryStats,
  EngineHealth,
  EventHandler,
  NewEvent,
  PublishOptions,
  StartOptions,
  StopOptions,
  SubscribeOptions,
  Subscription,
} from '@polybus/core';
import type { Capabilities, Engine } from '@polybus/core/engine';
import { type MemoryConfig, memoryEngine } from '@polybus/engine-memory';

/** A memory engine that something is to be wrong with: everything goes to the engine inside. */
export class WrappedEngine implements Engine {
  readonly inner: Engine;

  constructor(config: MemoryConfig = {}) {
    this.inner = memoryEngine(config);
  }

  get type(): string {
    return this.inner.type;
  }

  get capabilities(): Capabilities {
    return this.inner.capabilities;
  }

  start(options?: StartOptions): Promise<void> {
    return this.inner.start(options);
  }

  stop(options?: StopOptions): Promise<void> {
    return this.inner.stop(options);
  }

  publish<T>(event: NewEvent<T>, options?: PublishOptions): Promise<void> {
    return this.inner.publish(event, options);
  }

  subscribe<T>(topic: string, handler: EventHandler<T>, options?: SubscribeOptions): Promise<Subscription> {
    return this.inner.subscribe(topic, handler, options);
  }

  subscribeAsync<T>(
    topic: string,
    handler: EventHandler<T>,
    options?: SubscribeOptions,
  ): Promise<Subscription> {
    return this.inner.subscribeAsync(topic, handler, options);
  }

  unsubscribe(subscription: Subscription): Promise<void> {
    return this.inner.unsubscribe(subscription);
  }

  topics(): string[] {
    return this.inner.topics();
  }

  subscriberCount(topic: string): number {
    return this.inner.subscriberCount(topic);
  }

  stats(): DeliveryStats {
    return this.inner.stats();
  }

  health(): Promise<EngineHealth> {
    return this.inner.health();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** An engine whose handlers, sync and async, are changed before they are subscribed. */
export class WrappedHandlers extends WrappedEngine {
  wrap(handler: EventHandler<never>): EventHandler<never> {
    return handler;
  }

  options(options: SubscribeOptions | undefined): SubscribeOptions | undefined {
    return options;
  }

  override subscribe<T>(
    topic: string,
    handler: EventHandler<T>,
    options?: SubscribeOptions,
  ): Promise<Subscription> {
    return this.inner.subscribe(topic, this.#wrapped(handler), this.options(options));
  }

  override subscribeAsync<T>(
    topic: string,
    handler: EventHandler<T>,
    options?: SubscribeOptions,
  ): Promise<Subscription> {
    return this.inner.subscribeAsync(topic, this.#wrapped(handler), this.options(options));
  }

  #wrapped<T>(handler: EventHandler<T>): EventHandler<T> {
    return typeof handler === 'function' ? (this.wrap(handler) as EventHandler<T>) : handler;
  }
}
