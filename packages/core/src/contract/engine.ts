import type { EventBus, StopOptions } from './bus.ts';
import type { Capabilities } from './capabilities.ts';
import type { NewEvent } from './event.ts';
import type { ConsumerLag, DeliveryStats, EngineHealth, EngineObserver, Logger } from './observing.ts';
import type { RawRecord } from './transport.ts';

/**
 * The engine types and what their configuration takes, so that editors complete `engine`, `type` and `config`. Each engine's package
 * adds its own: `import type {} from '@polybus/engine-redis'` brings it in where the engine is only named.
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- packages of engines add to it
export interface EngineTypes {}

/** A type of an engine: one whose package is imported, or any other. */
// oxlint-disable-next-line typescript/no-redundant-type-constituents -- never, until a package of an engine is imported
export type EngineType = keyof EngineTypes | (string & {});

/** What an engine takes under `config`: the fields of those whose packages are imported, or of any other. */
// oxlint-disable-next-line typescript/no-redundant-type-constituents -- never, until a package of an engine is imported
export type EngineTypeConfig = EngineTypes[keyof EngineTypes] | Readonly<Record<string, unknown>>;

/** An event bus on one broker. */
export interface Engine extends EventBus {
  /** `memory`, `redis`, `kafka`, … */
  readonly type: string;
  readonly capabilities: Capabilities;
  /** A snapshot of the counts, in any state; they go on over restarts. */
  stats(): DeliveryStats;
  /** Never rejects: a broker that cannot be reached is `down`. */
  health(): Promise<EngineHealth>;
  /**
   * Rejects where the broker cannot be asked. Absent, or empty, where the broker does not know it.
   *
   * @throws {@link EventBusNotStartedError}
   */
  lag?(): Promise<readonly ConsumerLag[]>;
  /**
   * The first half of `stop`: takes no new work and lets handlers finish, but still sends what those handlers publish. A
   * router drains all its engines before it closes the first.
   *
   * @throws {@link ShutdownTimeoutError} where the time was over first; nothing is abandoned yet.
   */
  drain?(options?: StopOptions): Promise<void>;
  /** Called once by the bus that hosts the engine, before `start`. An engine that stands alone does without. */
  attach?(host: EngineHost): void;
}

/** What a hosting bus gives its engines. */
export interface EngineHost {
  /** The engine's name in the configuration. */
  readonly name: string;
  readonly logger: Logger;
  /** CloudEvents `source` of the events published here. */
  readonly source: string;
  /** Told of what happens, where somebody observes. */
  readonly observer: EngineObserver;
  /** Told of each record that cannot be decoded, in place of its dead letter. */
  readonly onUndecodable?: ((record: RawRecord) => unknown) | undefined;
  /** Publishes a dead letter by the bus's routing, so that a subscription made on the bus sees it. */
  publishDeadLetter(event: NewEvent): Promise<void>;
}
