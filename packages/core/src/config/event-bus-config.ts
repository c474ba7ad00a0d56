import type { Duration, TimeToLive } from '../contract/bus.ts';
import type { Engine, EngineType, EngineTypeConfig } from '../contract/engine.ts';
import type { RoutingRule } from '../routing/routing-rules.ts';

/** The configuration of one engine of a bus. */
export interface EngineConfig {
  /** The name of the engine, unique in the bus. Routing rules refer to it. */
  readonly name: string;
  /** The type of the engine, such as `memory` or `redis`: a registered type, or a type of an installed package. Not together with `engine`. */
  readonly type?: EngineType | undefined;
  /** The configuration of the engine, which the engine validates. */
  readonly config?: EngineTypeConfig | undefined;
  /** An engine object. Not together with `type`. */
  readonly engine?: Engine | undefined;
}

/** The configuration of a bus with one engine, or with several if `engines` is set. */
export interface EventBusConfig {
  /** The type of the engine: `memory`, `durable-memory`, `redis`, `kafka`, `kinesis`, or your own. Default `durable-memory`. */
  readonly engine?: EngineType | undefined;
  /** The maximum number of unsettled deliveries of one topic, over all its subscriptions. */
  readonly maxEventQueueSize?: number | undefined;
  /** The maximum number of events that wait for each subscription. */
  readonly defaultEventBufferSize?: number | undefined;
  /** The Go module's name of `defaultEventBufferSize` on `durable-memory`. 0 means the value of `maxEventQueueSize`. */
  readonly maxDurableQueueDepth?: number | undefined;
  /** The maximum number of handlers that run at once, over all async subscriptions. */
  readonly workerCount?: number | undefined;
  /** If a buffer is full: `drop` the event, `block` until there is room, or block with a `timeout` and then drop. */
  readonly deliveryMode?: 'drop' | 'block' | 'timeout' | undefined;
  /** How long a publisher waits for room in the delivery mode `timeout`, before the engine drops the event. */
  readonly publishBlockTimeout?: Duration | undefined;
  /** Starts each publish with another subscription, so that drops are spread evenly. */
  readonly rotateSubscriberOrder?: boolean | undefined;
  /** How long an event may wait in a buffer before it is dropped; 0 for no limit. */
  readonly eventTTL?: TimeToLive | undefined;
  /** How many days the engine keeps events for replay. */
  readonly retentionDays?: number | undefined;
  /** The URL of the broker, for engines with a broker outside the process. */
  readonly externalBrokerURL?: string | undefined;
  /** The user name for the broker. */
  readonly externalBrokerUser?: string | undefined;
  /** The password for the broker. */
  readonly externalBrokerPassword?: string | undefined;
  /** The engines of a bus with several engines. If it is set, the bus ignores the fields of the single engine. */
  readonly engines?: readonly EngineConfig[] | undefined;
  /** Routing rules in order. The first rule that matches a topic applies; topics without a matching rule use the first engine. */
  readonly routing?: readonly RoutingRule[] | undefined;
  /** The CloudEvents `source` of events that this bus publishes: a URI reference. Default `polybus`. */
  readonly source?: string | undefined;
}

/** A validated configuration. */
export interface ParsedConfig {
  readonly engines: readonly EngineConfig[];
  readonly routing: readonly RoutingRule[];
  readonly source: string;
  /** True if the configuration has `engines`. */
  readonly isMultiEngine: boolean;
  /** The name of the engine for topics without a matching rule: that of the first engine, or `default` for a single engine. */
  readonly defaultEngine: string;
}
