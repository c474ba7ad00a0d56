import type { EventBus, StopOptions } from './bus.ts';
import type { Capabilities } from './capabilities.ts';
import type { NewEvent } from './event.ts';
import type { ConsumerLag, DeliveryStats, EngineHealth, EngineObserver, Logger } from './observing.ts';
import type { RawRecord } from './transport.ts';

/**
 * The engine types and their configurations, so that editors complete `engine`, `type` and `config`. Each engine package adds its
 * own. If the code only names an engine, `import type {} from '@polybus/engine-redis'` adds its type.
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- packages of engines add to it
export interface EngineTypes {}

/** The type of an engine, such as `redis`. Editors complete the types whose packages are imported; any other text is allowed. */
// oxlint-disable-next-line typescript/no-redundant-type-constituents -- never, until a package of an engine is imported
export type EngineType = keyof EngineTypes | (string & {});

/** The `config` of an engine. Editors complete the fields of engines whose packages are imported; any object is allowed. */
// oxlint-disable-next-line typescript/no-redundant-type-constituents -- never, until a package of an engine is imported
export type EngineTypeConfig = EngineTypes[keyof EngineTypes] | Readonly<Record<string, unknown>>;

/** An event bus on one broker. */
export interface Engine extends EventBus {
  /** `memory`, `redis`, `kafka`, … */
  readonly type: string;
  readonly capabilities: Capabilities;
  /** Returns a snapshot of the counters. It works in every state, and a restart does not reset the counters. */
  stats(): DeliveryStats;
  /** Resolves with the health of the engine. Never rejects: if the broker cannot be reached, the status is `down`. */
  health(): Promise<EngineHealth>;
  /**
   * Resolves with the lag of each consumer. Rejects if the broker cannot be reached. Engines whose broker has no such information
   * omit the method or return an empty list.
   *
   * @throws {@link EventBusNotStartedError} before `start` has resolved and after `stop` was called.
   */
  lag?(): Promise<readonly ConsumerLag[]>;
  /**
   * The first half of `stop`: stops taking new work and waits for running handlers, but still sends events that those handlers
   * publish. A router drains all its engines before it stops the first.
   *
   * @throws {@link ShutdownTimeoutError} if handlers still run after `timeoutMs`. They keep running.
   */
  drain?(options?: StopOptions): Promise<void>;
  /** Called once, before `start`, by the bus that hosts the engine. Not called for an engine that is used without a bus. */
  attach?(host: EngineHost): void;
}

/** The functions and settings that a bus gives to each of its engines. */
export interface EngineHost {
  /** The engine's name in the configuration. */
  readonly name: string;
  readonly logger: Logger;
  /** The CloudEvents `source` of events that this process publishes. */
  readonly source: string;
  /** Receives notifications about deliveries. */
  readonly observer: EngineObserver;
  /** Called for each record that cannot be decoded, instead of writing a dead letter. */
  readonly onUndecodable?: ((record: RawRecord) => unknown) | undefined;
  /** Publishes a dead letter through the routing of the bus, so that subscriptions of the bus get it. */
  publishDeadLetter(event: NewEvent): Promise<void>;
}
