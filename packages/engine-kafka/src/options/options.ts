import { InvalidConfigError, type RetryOptions, type TimeToLive } from '@polybus/core';
import {
  atLeastOne,
  deadLetter,
  flag,
  handlerTimeout,
  milliseconds,
  retry,
  stallLimit,
  strict,
  text,
  timeToLive,
  validateConfig,
} from '@polybus/core/engine-kit';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Kafka, SASLOptions } from 'kafkajs';
import * as v from 'valibot';
import type { Keyless } from '../client/kafkajs/partitioner.ts';
import { propertiesOf } from './properties.ts';

/** How the value of a record holds the event: a JSON envelope around it, or the payload alone, with the rest in headers. */
export type ContentMode = 'structured' | 'binary';

/** `gzip` is built in; the others need a codec in `CompressionCodecs` of kafkajs. */
export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

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
  /** Milliseconds for which reading, or waiting events, may stand still before `health()` is `degraded`. Default 30 000. */
  readonly stallLimitMs?: number | undefined;
  /** An event that waited longer in a buffer is dropped. Default 0: no limit. */
  readonly eventTTL?: TimeToLive | undefined;
}

/** How to reach the cluster. */
export interface ConnectionOptions {
  readonly client: Kafka | undefined;
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly ssl: boolean | TlsOptions | undefined;
  readonly sasl: SASLOptions | undefined;
  readonly connectTimeoutMs: number;
}

export interface ProducerOptions {
  readonly contentMode: ContentMode;
  readonly keyless: Keyless;
  readonly acks: number;
  readonly idempotent: boolean;
  readonly compression: Compression;
  readonly lingerMs: number;
  readonly requestTimeoutMs: number;
}

export interface ConsumerOptions {
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly commitIntervalMs: number;
  readonly commitCount: number;
  readonly fetchMaxWaitMs: number;
  readonly fetchMaxBytes: number;
  readonly fetchMaxBytesPerPartition: number;
  readonly readUncommitted: boolean;
}

export interface TopicOptions {
  /** -1 for what the cluster does by default. */
  readonly numPartitions: number;
  /** -1 for what the cluster does by default. */
  readonly replicationFactor: number;
  readonly metadataRefreshMs: number;
}

/** The configuration with every default filled in; durations in milliseconds. */
export interface KafkaOptions {
  readonly connection: ConnectionOptions;
  readonly groupId: string | undefined;
  readonly producer: ProducerOptions;
  readonly consumer: ConsumerOptions;
  readonly topics: TopicOptions;
  readonly workerCount: number;
  readonly bufferSize: number;
  readonly retry: RetryOptions | false | undefined;
  readonly deadLetter: string | boolean;
  readonly handlerTimeoutMs: number | undefined;
  readonly stallLimitMs: number;
  readonly ttlMs: number | undefined;
}

const brokerForm = 'an address such as "localhost:9092"';
const broker = v.pipe(v.string(brokerForm), v.regex(/^[^\s:/,]+:\d{1,5}$/, brokerForm));
const brokerListForm = 'addresses separated by commas, such as "kafka-1:9092,kafka-2:9092"';
const brokerList = v.pipe(
  v.string(brokerListForm),
  v.transform((value) => value.split(',').map((one) => one.trim().replace(/^kafka:\/\//, ''))),
  v.array(v.pipe(v.string(), v.regex(/^[^\s:/,]+:\d{1,5}$/, brokerListForm))),
);
const client = v.custom<Kafka>(
  (value) =>
    typeof (value as Kafka | null)?.producer === 'function' &&
    typeof (value as Kafka).consumer === 'function',
  'a Kafka of kafkajs',
);
const anObject = (what: string): v.GenericSchema<object> =>
  v.custom<object>((value) => typeof value === 'object' && value !== null, what);
const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer', 'aws'];
const sasl = v.pipe(
  v.custom<SASLOptions>(
    (value) => mechanisms.includes((value as { mechanism?: string } | null)?.mechanism ?? ''),
    `an object with a mechanism: ${mechanisms.join(', ')}`,
  ),
  v.metadata({ type: 'object', properties: { mechanism: { enum: mechanisms } }, required: ['mechanism'] }),
);
const positiveMs = v.pipe(milliseconds, v.minValue(1, 'milliseconds, as a number of at least 1'));
const properties = v.record(v.string(), v.string('text'), 'an object of properties, each of them text');

const schema = strict({
  brokers: v.optional(
    v.pipe(v.array(broker, `a list of brokers, each ${brokerForm}`), v.minLength(1, 'at least one broker')),
  ),
  externalBrokerURL: v.optional(brokerList),
  externalBrokerUser: v.optional(text),
  externalBrokerPassword: v.optional(text),
  groupId: v.optional(text),
  clientId: v.optional(text, 'polybus'),
  ssl: v.optional(
    v.union([v.boolean(), anObject('options of tls.connect')], 'true, false, or options of tls.connect'),
  ),
  sasl: v.optional(sasl),
  client: v.optional(client),
  security: v.optional(properties),
  producer: v.optional(properties),
  consumer: v.optional(properties),
  numPartitions: v.optional(atLeastOne),
  replicationFactor: v.optional(atLeastOne),
  contentMode: v.optional(v.picklist(['structured', 'binary'], '"structured" or "binary"'), 'structured'),
  keyless: v.optional(v.picklist(['ordered', 'spread'], '"ordered" or "spread"'), 'ordered'),
  acks: v.optional(v.picklist([-1, 0, 1], '-1, 0 or 1')),
  idempotent: v.optional(flag),
  compression: v.optional(
    v.picklist(['none', 'gzip', 'snappy', 'lz4', 'zstd'], '"none", "gzip", "snappy", "lz4" or "zstd"'),
  ),
  lingerMs: v.optional(milliseconds),
  publishTimeoutMs: v.optional(positiveMs),
  connectTimeoutMs: v.optional(positiveMs, 10_000),
  sessionTimeoutMs: v.optional(positiveMs),
  heartbeatIntervalMs: v.optional(positiveMs),
  rebalanceTimeoutMs: v.optional(positiveMs),
  commitIntervalMs: v.optional(positiveMs),
  commitCount: v.optional(atLeastOne, 1000),
  metadataRefreshMs: v.optional(positiveMs, 2000),
  fetchMaxWaitMs: v.optional(positiveMs),
  fetchMaxBytes: v.optional(atLeastOne),
  fetchMaxBytesPerPartition: v.optional(atLeastOne),
  readUncommitted: v.optional(flag),
  workerCount: v.optional(atLeastOne, 5),
  defaultEventBufferSize: v.optional(atLeastOne, 256),
  retry: v.optional(retry),
  deadLetter: v.optional(deadLetter, true),
  handlerTimeoutMs: v.optional(handlerTimeout),
  stallLimitMs: v.optional(stallLimit, 30_000),
  eventTTL: v.optional(timeToLive, 0),
});

/**
 * A member hears of a rebalance by a heartbeat, and then waits for handlers for 0.8 of the time there is: what is left has to be
 * enough for the heartbeat that came late.
 */
const heartbeatsOfRebalance = 5;

/** What the configuration of each engine type has to be; made into the JSON Schema of a bus's configuration. */
export const configSchemas: Readonly<Record<string, v.GenericSchema>> = { kafka: schema };

type Given = v.InferOutput<typeof schema>;

/**
 * Checks a configuration and fills in the defaults.
 *
 * @param path - What to call the configuration in messages.
 * @throws {@link InvalidConfigError} listing every problem.
 */
export function resolveOptions(config: unknown, path: string): KafkaOptions {
  const own = validateConfig(schema, config, path);
  const given: Given = { ...propertiesOf(own, path), ...definedOf(own) };
  assertTogether(given, path);
  const sessionTimeoutMs = given.sessionTimeoutMs ?? 30_000;
  const rebalanceTimeoutMs = given.rebalanceTimeoutMs ?? 60_000;
  return {
    connection: {
      client: given.client,
      brokers: given.brokers ?? given.externalBrokerURL ?? ['localhost:9092'],
      clientId: given.clientId,
      ssl: given.ssl,
      sasl: given.sasl ?? plainOf(given),
      connectTimeoutMs: given.connectTimeoutMs,
    },
    groupId: given.groupId,
    producer: {
      contentMode: given.contentMode,
      keyless: given.keyless,
      acks: given.acks ?? -1,
      idempotent: given.idempotent ?? false,
      compression: given.compression ?? 'none',
      lingerMs: given.lingerMs ?? 0,
      requestTimeoutMs: given.publishTimeoutMs ?? 30_000,
    },
    consumer: {
      sessionTimeoutMs,
      heartbeatIntervalMs: given.heartbeatIntervalMs ?? heartbeatFor(sessionTimeoutMs, rebalanceTimeoutMs),
      rebalanceTimeoutMs,
      commitIntervalMs: given.commitIntervalMs ?? 1000,
      commitCount: given.commitCount,
      fetchMaxWaitMs: given.fetchMaxWaitMs ?? 250,
      fetchMaxBytes: given.fetchMaxBytes ?? 10 * 1024 * 1024,
      fetchMaxBytesPerPartition: given.fetchMaxBytesPerPartition ?? 1024 * 1024,
      readUncommitted: given.readUncommitted ?? false,
    },
    topics: {
      numPartitions: given.numPartitions ?? -1,
      replicationFactor: given.replicationFactor ?? -1,
      metadataRefreshMs: given.metadataRefreshMs,
    },
    workerCount: given.workerCount,
    bufferSize: given.defaultEventBufferSize,
    retry: given.retry,
    deadLetter: given.deadLetter,
    handlerTimeoutMs: given.handlerTimeoutMs,
    stallLimitMs: given.stallLimitMs,
    ttlMs: given.eventTTL === 0 ? undefined : given.eventTTL,
  };
}

/** At least 1: a rebalance that takes less than that is one of a test. */
function heartbeatFor(sessionTimeoutMs: number, rebalanceTimeoutMs: number): number {
  return Math.max(
    1,
    Math.min(3000, Math.floor(sessionTimeoutMs / 3), Math.floor(rebalanceTimeoutMs / heartbeatsOfRebalance)),
  );
}

function definedOf(given: Given): Given {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Given;
}

function plainOf({ externalBrokerUser, externalBrokerPassword }: Given): SASLOptions | undefined {
  if (externalBrokerUser === undefined) return undefined;
  return { mechanism: 'plain', username: externalBrokerUser, password: externalBrokerPassword ?? '' };
}

function assertTogether(given: Given, path: string): void {
  const problems = [];
  if (given.idempotent === true && given.acks !== undefined && given.acks !== -1) {
    problems.push({ path: `${path}.acks`, message: 'an idempotent producer needs acks -1; leave acks out' });
  }
  const { heartbeatIntervalMs, sessionTimeoutMs = 30_000 } = given;
  if (heartbeatIntervalMs !== undefined && heartbeatIntervalMs * 2 > sessionTimeoutMs) {
    problems.push({
      path: `${path}.heartbeatIntervalMs`,
      message: `expected at most half of sessionTimeoutMs (${sessionTimeoutMs}), got ${heartbeatIntervalMs}`,
    });
  }
  const { rebalanceTimeoutMs = 60_000 } = given;
  if (heartbeatIntervalMs !== undefined && heartbeatIntervalMs * heartbeatsOfRebalance > rebalanceTimeoutMs) {
    problems.push({
      path: `${path}.rebalanceTimeoutMs`,
      message: `expected at least five times heartbeatIntervalMs (${heartbeatIntervalMs}), got ${rebalanceTimeoutMs}`,
    });
  }
  if (problems.length > 0) throw new InvalidConfigError(problems);
}

declare module '@polybus/core' {
  interface EngineTypes {
    readonly kafka: KafkaConfig;
  }
}
