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
  /** The type of the engine: `memory`, `durable-memory`, `redis`, `redis-streams`, `kafka`, `kinesis`, or your own. Default `durable-memory`. */
  readonly engine?: EngineType | undefined;
  /** The configuration of the engine, as in `engines[].config`: the fields of the engine, such as `mode` of `redis`. They override fields of the same meaning outside of it. */
  readonly config?: EngineTypeConfig | undefined;
  /** The maximum number of unsettled deliveries of one topic, over all its subscriptions. */
  readonly maxEventQueueSize?: number | undefined;
  /** The maximum number of events in the buffer of each subscription. */
  readonly defaultEventBufferSize?: number | undefined;
  /** The Go module's name for `defaultEventBufferSize` on `durable-memory`. If both are set, this field applies. 0 means the value of `maxEventQueueSize`. */
  readonly maxDurableQueueDepth?: number | undefined;
  /** The maximum number of handlers that run at once, over all async subscriptions. */
  readonly workerCount?: number | undefined;
  /** What the engine does if a buffer is full. `drop`: it drops the event. `block`: the publisher waits for room. `timeout`: the publisher waits up to `publishBlockTimeout`, then the engine drops the event. */
  readonly deliveryMode?: 'drop' | 'block' | 'timeout' | undefined;
  /** How long a publisher waits for room if `deliveryMode` is `timeout`. 0 means that it does not wait. */
  readonly publishBlockTimeout?: Duration | undefined;
  /** Changes, from event to event, which subscription is offered the event first. On `memory`, this spreads drops evenly. */
  readonly rotateSubscriberOrder?: boolean | undefined;
  /** The engine drops an event that waits in a buffer for longer than this. 0 means no limit. */
  readonly eventTTL?: TimeToLive | undefined;
  /** How many days the engine keeps an event for replay. */
  readonly retentionDays?: number | undefined;
  /** The URL of the broker, for engines that have a broker. */
  readonly externalBrokerURL?: string | undefined;
  /** The user name for the broker. */
  readonly externalBrokerUser?: string | undefined;
  /** The password for the broker. */
  readonly externalBrokerPassword?: string | undefined;
  /** The engines of a bus with several engines. The fields of the one-engine form then have no effect, and `loadConfig` rejects such a field in a later source. */
  readonly engines?: readonly EngineConfig[] | undefined;
  /** Routing rules in order. The first rule that matches a topic applies. Without a matching rule, a topic uses the first engine, and a dead letter uses the engine of its source topic. */
  readonly routing?: readonly RoutingRule[] | undefined;
  /** The CloudEvents `source` of events that this bus publishes: a URI reference. The variable `SOURCE` sets it, too, as in the newest version of the Go module. Default `polybus`. */
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
