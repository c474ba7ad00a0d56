import type { RetryOptions, TimeToLive } from '@polybus/core';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Kafka, SASLOptions } from 'kafkajs';

/** How the value of a record holds the event: a JSON envelope around it, or the payload alone, with the rest in headers. */
export type ContentMode = 'structured' | 'binary';

/** `gzip` is built in; the others need a codec in `CompressionCodecs` of kafkajs. */
export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/** Where records without a key go: all of a topic to one of its partitions, so that they keep their order, or to any. */
export type Keyless = 'ordered' | 'spread';

/** The configuration of the Kafka engine. */
export interface KafkaConfig {
  /** `host:port` of some brokers; the others are found from there. Default `localhost:9092`. */
  readonly brokers?: readonly string[] | undefined;
  /** `brokers`, separated by commas, in the configuration of a bus with one engine; `kafka://` may be before each. */
  readonly externalBrokerURL?: string | undefined;
  /** The user of SASL PLAIN in the configuration of a bus with one engine. */
  readonly externalBrokerUser?: string | undefined;
  /** The password of SASL PLAIN in the configuration of a bus with one engine. */
  readonly externalBrokerPassword?: string | undefined;
  /** Processes that have it in common share the events. Default: none, each process gets all. */
  readonly groupId?: string | undefined;
  /** What brokers know this client by, in quotas and logs. Default `polybus`. */
  readonly clientId?: string | undefined;
  /** TLS: true, or options of Node's `tls.connect` such as `ca`, `cert` and `key`. */
  readonly ssl?: boolean | TlsOptions | undefined;
  /** As in kafkajs: `plain`, `scram-sha-256`, `scram-sha-512`, `oauthbearer`, `aws`. */
  readonly sasl?: SASLOptions | undefined;
  /** A `Kafka` of kafkajs to use; beside it none of the fields above but `groupId` counts. */
  readonly client?: Kafka | undefined;
  /** Properties as Kafka's clients know them: `security.protocol`, `sasl.mechanism`, `ssl.ca.location`, … */
  readonly security?: Readonly<Record<string, string>> | undefined;
  /** `acks`, `compression.type`, `enable.idempotence`, `linger.ms`, `request.timeout.ms` */
  readonly producer?: Readonly<Record<string, string>> | undefined;
  /** `session.timeout.ms`, `heartbeat.interval.ms`, `fetch.max.wait.ms`, `isolation.level`, … */
  readonly consumer?: Readonly<Record<string, string>> | undefined;
  /** Partitions of a topic that the engine creates. Default: the cluster's `num.partitions`. */
  readonly numPartitions?: number | undefined;
  /** Copies of a topic that the engine creates. Default: the cluster's `default.replication.factor`. */
  readonly replicationFactor?: number | undefined;
  /** How events are written; both are read. Default `structured`. */
  readonly contentMode?: ContentMode | undefined;
  /** Where events without a key go: to one partition of their topic, in order, or to any. Default `ordered`. */
  readonly keyless?: Keyless | undefined;
  /** Replicas that have an event before `publish` resolves: -1 for all that are in sync, 1, or 0. Default -1. */
  readonly acks?: number | undefined;
  /** Lets the broker leave out what a retry brings twice, with the exceptions that the README lists. Needs `acks: -1`. Default false. */
  readonly idempotent?: boolean | undefined;
  /** Default `none`. */
  readonly compression?: Compression | undefined;
  /** Milliseconds that a publish waits for others to leave with. Default 0: those of the same turn. */
  readonly lingerMs?: number | undefined;
  /** Milliseconds that a publish may take. Default 30 000. */
  readonly publishTimeoutMs?: number | undefined;
  /** Milliseconds that `start` may take to reach the cluster. Default 10 000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Milliseconds without a heartbeat after which a member of a group counts as dead. Default 30 000. */
  readonly sessionTimeoutMs?: number | undefined;
  /** Milliseconds between heartbeats. Default 3000, or a third of the session timeout where that is less; at most half of it. */
  readonly heartbeatIntervalMs?: number | undefined;
  /** Milliseconds that a rebalance waits for handlers which run: five heartbeats or more. Default 60 000. */
  readonly rebalanceTimeoutMs?: number | undefined;
  /** Milliseconds between commits of offsets. Default 1000. */
  readonly commitIntervalMs?: number | undefined;
  /** Settled events after which offsets are committed earlier. Default 1000. */
  readonly commitCount?: number | undefined;
  /** Milliseconds between looks at which topics and partitions there are. Default 2000. */
  readonly metadataRefreshMs?: number | undefined;
  /** Milliseconds that a fetch waits at the broker for something to come. Default 250. */
  readonly fetchMaxWaitMs?: number | undefined;
  /** Bytes that one fetch brings at most, a larger record aside. Default 10 MiB. */
  readonly fetchMaxBytes?: number | undefined;
  /** Of these, bytes of one partition. Default 1 MiB. */
  readonly fetchMaxBytesPerPartition?: number | undefined;
  /** Reads events of transactions that are still open, or were given up, too. Default false. */
  readonly readUncommitted?: boolean | undefined;
  /** Handlers at once over all async subscriptions. Default 5. */
  readonly workerCount?: number | undefined;
  /** Events that may wait for each subscription. Default 256. */
  readonly defaultEventBufferSize?: number | undefined;
  /** Default for subscriptions: five attempts. */
  readonly retry?: RetryOptions | false | undefined;
  /** Default for subscriptions: `_dead.<topic>`. */
  readonly deadLetter?: string | boolean | undefined;
  /** Milliseconds. Default for subscriptions: no bound. */
  readonly handlerTimeoutMs?: number | undefined;
  /** How long reading or queued events may make no progress before `health()` is `degraded`, in milliseconds. Default 30 000. */
  readonly stallLimitMs?: number | undefined;
  /** An event that waited longer in a buffer is dropped. Default 0: no limit. */
  readonly eventTTL?: TimeToLive | undefined;
}

declare module '@polybus/core' {
  interface EngineTypes {
    readonly kafka: KafkaConfig;
  }
}
