import type { Engine } from '../contract/engine.ts';
import type { ConsumerLag, DeliveryStats, EngineHealth } from '../contract/observing.ts';

/** The engines of a router, and which of them carries a topic. It publishes and subscribes nothing. */
export interface RouterView extends Pick<
  Engine,
  'capabilities' | 'topics' | 'subscriberCount' | 'stats' | 'health'
> {
  /** Returns the name of the engine that carries a topic, for events of a tenant or without one. */
  engineFor(topic: string, tenant?: string): string;
  /** Returns the names of the engines that may carry a topic that the pattern matches. Default: for events of any tenant. */
  enginesFor(topicOrPattern: string, tenant?: string): string[];
  engineNames(): string[];
  /**
   * Returns an engine by its name.
   *
   * @throws {@link EngineNotFoundError} if there is no such engine.
   * @throws {@link EventBusNotStartedError} if the engine is configured by its type and has not been created yet.
   */
  engine(name: string): Engine;
  statsPerEngine(): Record<string, DeliveryStats>;
  healthPerEngine(): Promise<Record<string, EngineHealth>>;
  /**
   * Resolves with the lag of the consumers of each engine. Rejects if a broker cannot be reached; `engine(name).lag` calls one engine.
   *
   * @throws {@link EventBusNotStartedError} before `start` has resolved and after `stop` was called.
   */
  lagPerEngine(): Promise<Record<string, readonly ConsumerLag[]>>;
}

/** Several engines that act as one {@link Engine}. */
export interface Router extends Engine, RouterView {
  lag(): Promise<readonly ConsumerLag[]>;
}
