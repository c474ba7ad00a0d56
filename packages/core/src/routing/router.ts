import type { Engine, EngineHost } from '../contract/engine.ts';
import type { ConsumerLag, DeliveryStats, EngineHealth } from '../contract/observing.ts';
import type { RoutingRule } from './routing.ts';

/** An engine of a router, made already or to be made when the router starts. */
export interface RoutedEngine {
  readonly name: string;
  readonly engine: Engine | (() => Promise<Engine>);
}

export interface RouterOptions {
  /** At least one; topics that no rule matches go to the first. */
  readonly engines: readonly RoutedEngine[];
  /** Rules in order; the first that matches a topic wins. */
  readonly routing?: readonly RoutingRule[] | undefined;
  /** What each engine gets from its host. Default: the console as logger, and dead letters by the router's rules. */
  readonly host?: ((name: string) => EngineHost) | undefined;
}

/** Several engines behind one contract. */
export interface Router extends Engine {
  /** The name of the engine that carries a topic, for events of a tenant or of none. */
  engineFor(topic: string, tenant?: string): string;
  /** The names of every engine that could carry a topic that the pattern matches, for events of a tenant or, without one, any. */
  enginesFor(topicOrPattern: string, tenant?: string): string[];
  engineNames(): string[];
  /**
   * @throws {@link EngineNotFoundError}
   * @throws {@link EventBusNotStartedError} where the engine is configured by its type and has not been made yet.
   */
  engine(name: string): Engine;
  statsPerEngine(): Record<string, DeliveryStats>;
  healthPerEngine(): Promise<Record<string, EngineHealth>>;
  /**
   * Rejects where a broker cannot be asked; `engine(name).lag` asks one.
   *
   * @throws {@link EventBusNotStartedError}
   */
  lagPerEngine(): Promise<Record<string, readonly ConsumerLag[]>>;
  lag(): Promise<readonly ConsumerLag[]>;
}
