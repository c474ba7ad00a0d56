import type { Engine } from '../contract/engine.ts';
import type { ConsumerLag, DeliveryStats, EngineHealth } from '../contract/observing.ts';

/** Several engines behind one contract. */
export interface Router extends Engine {
  /** The name of the engine that carries a topic, for events of a tenant or of none. */
  engineFor(topic: string, tenant?: string): string;
  /** The names of every engine that could carry a topic that the pattern matches, for events of a tenant or, without one, any. */
  enginesFor(topicOrPattern: string, tenant?: string): string[];
  engineNames(): string[];
  /**
   * @throws {@link EngineNotFoundError}
   * @throws {@link EventBusNotStartedError} if the engine is configured by its type and has not been created yet.
   */
  engine(name: string): Engine;
  statsPerEngine(): Record<string, DeliveryStats>;
  healthPerEngine(): Promise<Record<string, EngineHealth>>;
  /**
   * Rejects if a broker cannot be asked; `engine(name).lag` asks one.
   *
   * @throws {@link EventBusNotStartedError}
   */
  lagPerEngine(): Promise<Record<string, readonly ConsumerLag[]>>;
  lag(): Promise<readonly ConsumerLag[]>;
}
