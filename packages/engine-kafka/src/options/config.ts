import type { ContentMode } from '@polybus/core/cloudevents';
import type { DeliveryOptions } from '@polybus/core/engine-kit';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Kafka, SASLOptions } from 'kafkajs';

/**
 * With kafkajs, `gzip` is built in, and the others need a codec in its `CompressionCodecs`. With `@platformatic/kafka`, all are built in;
 * `zstd` needs Node.js 22.15 or later.
 */
export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/** `ordered`: all records of a topic without a key go to one partition, in order. `spread`: they go to any partition. */
export type Keyless = 'ordered' | 'spread';

/** The client library: `kafkajs`, or `platformatic` for `@platformatic/kafka`, which has to be installed. */
export type ClientLibrary = 'kafkajs' | 'platformatic';

/** The configuration of the Kafka engine. */
export interface KafkaConfig extends DeliveryOptions {
  /** `host:port` of one or more brokers, from which the client finds the others. Default `localhost:9092`. */
  readonly brokers?: readonly string[] | undefined;
  /** The same as `brokers`, as text: addresses separated by commas. Each may begin with `kafka://`. The one-engine form has this field outside of `config`, too. */
  readonly externalBrokerURL?: string | undefined;
  /** The user of SASL PLAIN. The one-engine form has this field outside of `config`, too. */
  readonly externalBrokerUser?: string | undefined;
  /** The password of SASL PLAIN. The one-engine form has this field outside of `config`, too. */
  readonly externalBrokerPassword?: string | undefined;
  /** Processes with the same `groupId` share the events. Default: none, so each process gets all events. */
  readonly groupId?: string | undefined;
  /** The name of this client in the quotas and logs of brokers. Default `polybus`. */
  readonly clientId?: string | undefined;
  /** TLS: true, or options of Node's `tls.connect` such as `ca`, `cert` and `key`. */
  readonly ssl?: boolean | TlsOptions | undefined;
  /** As in kafkajs: `plain`, `scram-sha-256`, `scram-sha-512`, `oauthbearer`, and `aws`, which only kafkajs has. */
  readonly sasl?: SASLOptions | undefined;
  /**
   * The client library: `kafkajs`, or `platformatic` for `@platformatic/kafka`, which has to be installed. Or your own `Kafka` of kafkajs,
   * which replaces `brokers`, `clientId`, `ssl`, `sasl` and `security`. Default `kafkajs`.
   */
  readonly client?: ClientLibrary | Kafka | undefined;
  /** Properties of Kafka's clients: `security.protocol`, `sasl.mechanism`, `ssl.ca.location`, … */
  readonly security?: Readonly<Record<string, string>> | undefined;
  /** Properties of Kafka's producer: `acks`, `compression.type`, `enable.idempotence`, `linger.ms`, `request.timeout.ms`. */
  readonly producer?: Readonly<Record<string, string>> | undefined;
  /** Properties of Kafka's consumer: `session.timeout.ms`, `heartbeat.interval.ms`, `fetch.max.wait.ms`, `isolation.level`, … */
  readonly consumer?: Readonly<Record<string, string>> | undefined;
  /** Partitions of a topic that the engine creates. Default: the cluster's `num.partitions`. */
  readonly numPartitions?: number | undefined;
  /** Replicas of a topic that the engine creates. Default: the cluster's `default.replication.factor`. */
  readonly replicationFactor?: number | undefined;
  /** The beginning of the names of the topics in which delayed events wait, and the group that reads them. It begins with `_`. Engines with the same name publish each other's delayed events. Default `_delayed`. */
  readonly delayedTopics?: string | undefined;
  /** The CloudEvents mode in which the engine writes events. It reads both modes. Default `structured`. */
  readonly contentMode?: ContentMode | undefined;
  /** The partition of events without a key: `ordered` uses one partition per topic and keeps their order, `spread` uses all partitions. Default `ordered`. */
  readonly keyless?: Keyless | undefined;
  /** How many replicas must have an event before `publish` resolves: -1 for all in-sync replicas, 1, or 0. Default -1. */
  readonly acks?: number | undefined;
  /** Lets the broker discard duplicates of retries, with the exceptions in the README. Needs `acks: -1`. Default false. */
  readonly idempotent?: boolean | undefined;
  /** How the engine compresses batches. Default `none`. */
  readonly compression?: Compression | undefined;
  /** How long the engine waits for further publishes before it sends a batch, in milliseconds. With 0, it sends all publishes of one turn of the event loop together, without further delay. Default 0. */
  readonly lingerMs?: number | undefined;
  /** How long a publish may take, in milliseconds. Default 30 000. */
  readonly publishTimeoutMs?: number | undefined;
  /** How long `start` may take to reach the cluster, in milliseconds. Default 10 000. */
  readonly connectTimeoutMs?: number | undefined;
  /** A group member without a heartbeat for this long counts as dead. In milliseconds. Default 6000. */
  readonly sessionTimeoutMs?: number | undefined;
  /** Milliseconds between heartbeats, at most half of `sessionTimeoutMs`. Default: a third of `sessionTimeoutMs`, but at most 3000 and at most a fifth of `rebalanceTimeoutMs`. */
  readonly heartbeatIntervalMs?: number | undefined;
  /** How long a rebalance may take, in milliseconds, at least five times `heartbeatIntervalMs`. It waits for running handlers for at most 80 % of this time. Default 60 000. */
  readonly rebalanceTimeoutMs?: number | undefined;
  /** Milliseconds between commits of offsets. Default 1000. */
  readonly commitIntervalMs?: number | undefined;
  /** The number of settled events after which the engine commits offsets before the interval ends. Default 1000. */
  readonly commitCount?: number | undefined;
  /** Milliseconds between two checks for new or deleted topics and partitions. Default 2000. */
  readonly metadataRefreshMs?: number | undefined;
  /** How long a fetch waits at the broker for records, in milliseconds. A new subscription may have to wait this long for its first event. Default 250. */
  readonly fetchMaxWaitMs?: number | undefined;
  /** The maximum size of the answer to a fetch, in bytes. A larger first batch is allowed. Default 10 MiB. */
  readonly fetchMaxBytes?: number | undefined;
  /** The maximum size of the part of an answer that comes from one partition, in bytes. A larger first batch is allowed. Default 1 MiB. */
  readonly fetchMaxBytesPerPartition?: number | undefined;
  /** Also reads events of open and aborted transactions. Default false. */
  readonly readUncommitted?: boolean | undefined;
}

declare module '@polybus/core' {
  interface EngineTypes {
    readonly kafka: KafkaConfig;
  }
}
