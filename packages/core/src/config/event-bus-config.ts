import type { Duration, TimeToLive } from '../contract/bus.ts';
import type { Engine, EngineType, EngineTypeConfig } from '../contract/engine.ts';
import type { RoutingRule } from '../routing/routing.ts';

/** One engine of a bus. */
export interface EngineConfig {
  /** Unique in the bus; routing rules name it. */
  readonly name: string;
  /** `memory`, `redis`, …: registered, or the name of an installed package. Not beside `engine`. */
  readonly type?: EngineType | undefined;
  /** What the engine of that type takes; it checks it itself. */
  readonly config?: EngineTypeConfig | undefined;
  /** An engine that code has made. Not beside `type`. */
  readonly engine?: Engine | undefined;
}

/** The configuration of a bus, with one engine or, where `engines` is given, with several. */
export interface EventBusConfig {
  /** The type of the one engine: `memory`, `durable-memory`, `redis`, `kafka`, `kinesis`, or one of your own. Default `durable-memory`. */
  readonly engine?: EngineType | undefined;
  /** Unsettled deliveries of one topic, over all its subscriptions. */
  readonly maxEventQueueSize?: number | undefined;
  /** Events that may wait for each subscription. */
  readonly defaultEventBufferSize?: number | undefined;
  /** Events that may wait for each subscription of `durable-memory`, as the Go module calls it; 0 for as many as `maxEventQueueSize`. */
  readonly maxDurableQueueDepth?: number | undefined;
  /** Handlers at once, over all async subscriptions. */
  readonly workerCount?: number | undefined;
  /** What happens where there is no room: `drop`, `block`, or `timeout`, which blocks so long and then drops. */
  readonly deliveryMode?: 'drop' | 'block' | 'timeout' | undefined;
  /** How long `timeout` blocks. */
  readonly publishBlockTimeout?: Duration | undefined;
  /** Begin each publish at another subscription, so that drops spread evenly. */
  readonly rotateSubscriberOrder?: boolean | undefined;
  /** An event that waited longer in a buffer is dropped; 0 for no limit. */
  readonly eventTTL?: TimeToLive | undefined;
  /** Days that events are kept for replay. */
  readonly retentionDays?: number | undefined;
  /** Where the broker is, for engines that have one outside the process. */
  readonly externalBrokerURL?: string | undefined;
  /** The user at the broker. */
  readonly externalBrokerUser?: string | undefined;
  /** The password at the broker. */
  readonly externalBrokerPassword?: string | undefined;
  /** Several engines. Where it is given, the fields of the one engine above count for nothing. */
  readonly engines?: readonly EngineConfig[] | undefined;
  /** Rules in order; the first that matches a topic wins. What none matches goes to the first engine. */
  readonly routing?: readonly RoutingRule[] | undefined;
  /** CloudEvents `source` of the events published here, a URI reference. Default `polybus`. */
  readonly source?: string | undefined;
}

/** A configuration that has been checked. */
export interface ParsedConfig {
  readonly engines: readonly EngineConfig[];
  readonly routing: readonly RoutingRule[];
  readonly source: string;
  /** True where the configuration had `engines`. */
  readonly isMultiEngine: boolean;
  /** The name of the engine for topics that no rule matches: the first, or `default` where there is one only. */
  readonly defaultEngine: string;
}
