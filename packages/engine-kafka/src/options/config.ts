import type { ContentMode } from '@polybus/core/cloudevents';
import type { DeliveryOptions } from '@polybus/core/engine-kit';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Kafka, SASLOptions } from 'kafkajs';

/** `gzip` is built in. The others need a codec in `CompressionCodecs` of kafkajs. */
export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/** `ordered`: all records of a topic without a key go to one partition, in order. `spread`: they go to any partition. */
export type Keyless = 'ordered' | 'spread';

/** The configuration of the Kafka engine. */
export interface KafkaConfig extends DeliveryOptions {
  /** `host:port` of one or more brokers, from which the client finds the others. Default `localhost:9092`. */
  readonly brokers?: readonly string[] | undefined;
  /** `brokers`, separated by commas, in the configuration of a bus with one engine. Each may begin with `kafka://`. */
  readonly externalBrokerURL?: string | undefined;
  /** The user of SASL PLAIN in the configuration of a bus with one engine. */
  readonly externalBrokerUser?: string | undefined;
  /** The password of SASL PLAIN in the configuration of a bus with one engine. */
  readonly externalBrokerPassword?: string | undefined;
  /** Processes with the same group share the events. Default: none, each process gets all events. */
  readonly groupId?: string | undefined;
  /** The name of this client in the quotas and logs of brokers. Default `polybus`. */
  readonly clientId?: string | undefined;
  /** TLS: true, or options of Node's `tls.connect` such as `ca`, `cert` and `key`. */
  readonly ssl?: boolean | TlsOptions | undefined;
  /** As in kafkajs: `plain`, `scram-sha-256`, `scram-sha-512`, `oauthbearer`, `aws`. */
  readonly sasl?: SASLOptions | undefined;
  /** Your own `Kafka` of kafkajs. The fields above are then ignored, except `groupId`. */
  readonly client?: Kafka | undefined;
  /** Properties of Kafka's clients: `security.protocol`, `sasl.mechanism`, `ssl.ca.location`, … */
  readonly security?: Readonly<Record<string, string>> | undefined;
  /** `acks`, `compression.type`, `enable.idempotence`, `linger.ms`, `request.timeout.ms` */
  readonly producer?: Readonly<Record<string, string>> | undefined;
  /** `session.timeout.ms`, `heartbeat.interval.ms`, `fetch.max.wait.ms`, `isolation.level`, … */
  readonly consumer?: Readonly<Record<string, string>> | undefined;
  /** Partitions of a topic that the engine creates. Default: the cluster's `num.partitions`. */
  readonly numPartitions?: number | undefined;
  /** Replicas of a topic that the engine creates. Default: the cluster's `default.replication.factor`. */
  readonly replicationFactor?: number | undefined;
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
  /** How long the engine waits for further publishes before it sends a batch, in milliseconds. Default 0: it sends the publishes of one turn of the event loop at once. */
  readonly lingerMs?: number | undefined;
  /** How long a publish may take, in milliseconds. Default 30 000. */
  readonly publishTimeoutMs?: number | undefined;
  /** How long `start` may take to reach the cluster, in milliseconds. Default 10 000. */
  readonly connectTimeoutMs?: number | undefined;
  /** How long the group waits for a member without heartbeats, in milliseconds. Default 30 000. */
  readonly sessionTimeoutMs?: number | undefined;
  /** Milliseconds between heartbeats, at most half of the session timeout. Default 3000, or a third of the session timeout if that is less. */
  readonly heartbeatIntervalMs?: number | undefined;
  /** How long a rebalance may take, in milliseconds: at least five heartbeats. It waits 80 % of this for running handlers. Default 60 000. */
  readonly rebalanceTimeoutMs?: number | undefined;
  /** Milliseconds between commits of offsets. Default 1000. */
  readonly commitIntervalMs?: number | undefined;
  /** Settled events after which offsets are committed before the interval ends. Default 1000. */
  readonly commitCount?: number | undefined;
  /** Milliseconds between lookups of the topics and partitions. Default 2000. */
  readonly metadataRefreshMs?: number | undefined;
  /** How long a fetch waits at the broker for records, in milliseconds. Default 250. */
  readonly fetchMaxWaitMs?: number | undefined;
  /** The largest answer to a fetch, in bytes, except for a larger record. Default 10 MiB. */
  readonly fetchMaxBytes?: number | undefined;
  /** The largest part of an answer for one partition, in bytes. Default 1 MiB. */
  readonly fetchMaxBytesPerPartition?: number | undefined;
  /** Also reads events of open and aborted transactions. Default false. */
  readonly readUncommitted?: boolean | undefined;
}

declare module '@polybus/core' {
  interface EngineTypes {
    readonly kafka: KafkaConfig;
  }
}
