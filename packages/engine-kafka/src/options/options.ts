import { InvalidConfigError } from '@polybus/core';
import type { ContentMode } from '@polybus/core/cloudevents';
import type { DeliveryDefaults } from '@polybus/core/engine';
import {
  atLeastOne,
  deliveryDefaults,
  deliveryOptions,
  flag,
  milliseconds,
  positiveMilliseconds,
  strict,
  text,
  validateConfig,
} from '@polybus/core/engine-kit';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Kafka, SASLOptions } from 'kafkajs';
import * as v from 'valibot';
import type { ClientLibrary, Compression, Keyless } from './config.ts';
import { propertiesOf } from './properties.ts';

/** How to reach the cluster. */
export interface ConnectionOptions {
  /** The library, or the user's `Kafka` of kafkajs. */
  readonly client: ClientLibrary | Kafka;
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
  /** -1 for the default of the cluster. */
  readonly numPartitions: number;
  /** -1 for the default of the cluster. */
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
  readonly delayedTopics: string;
  readonly delivery: DeliveryDefaults;
}

const brokerForm = 'an address such as "localhost:9092"';
const broker = v.pipe(v.string(brokerForm), v.regex(/^[^\s:/,]+:\d{1,5}$/, brokerForm));
const brokerListForm = 'addresses separated by commas, such as "kafka-1:9092,kafka-2:9092"';
const brokerList = v.pipe(
  v.string(brokerListForm),
  v.transform((value) => value.split(',').map((one) => one.trim().replace(/^kafka:\/\//, ''))),
  v.array(v.pipe(v.string(), v.regex(/^[^\s:/,]+:\d{1,5}$/, brokerListForm))),
);
const clientForm = '"kafkajs", "platformatic", or a Kafka of kafkajs';
const client = v.pipe(
  v.union(
    [
      v.picklist(['kafkajs', 'platformatic'], clientForm),
      v.custom<Kafka>(
        (value) =>
          typeof (value as Kafka | null)?.producer === 'function' &&
          typeof (value as Kafka).consumer === 'function',
        clientForm,
      ),
    ],
    clientForm,
  ),
  // A file cannot contain a Kafka.
  v.metadata({ type: 'string', enum: ['kafkajs', 'platformatic'] }),
);
const delayedTopicsForm = 'a topic of at most 200 characters that begins with "_"';
const delayedTopics = v.pipe(
  v.string(delayedTopicsForm),
  v.regex(/^_[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*$/, delayedTopicsForm),
  v.maxLength(200, delayedTopicsForm),
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
  delayedTopics: v.optional(delayedTopics, '_delayed'),
  contentMode: v.optional(v.picklist(['structured', 'binary'], '"structured" or "binary"'), 'structured'),
  keyless: v.optional(v.picklist(['ordered', 'spread'], '"ordered" or "spread"'), 'ordered'),
  acks: v.optional(v.picklist([-1, 0, 1], '-1, 0 or 1')),
  idempotent: v.optional(flag),
  compression: v.optional(
    v.picklist(['none', 'gzip', 'snappy', 'lz4', 'zstd'], '"none", "gzip", "snappy", "lz4" or "zstd"'),
  ),
  lingerMs: v.optional(milliseconds),
  publishTimeoutMs: v.optional(positiveMilliseconds),
  connectTimeoutMs: v.optional(positiveMilliseconds, 10_000),
  sessionTimeoutMs: v.optional(positiveMilliseconds),
  heartbeatIntervalMs: v.optional(positiveMilliseconds),
  rebalanceTimeoutMs: v.optional(positiveMilliseconds),
  commitIntervalMs: v.optional(positiveMilliseconds),
  commitCount: v.optional(atLeastOne, 1000),
  metadataRefreshMs: v.optional(positiveMilliseconds, 2000),
  fetchMaxWaitMs: v.optional(positiveMilliseconds),
  fetchMaxBytes: v.optional(atLeastOne),
  fetchMaxBytesPerPartition: v.optional(atLeastOne),
  readUncommitted: v.optional(flag),
  ...deliveryOptions,
});

type Given = v.InferOutput<typeof schema>;

/** The schema of each engine type, from which the JSON Schema of a bus's configuration is generated. */
export const configSchemas: Readonly<Record<string, v.GenericSchema>> = { kafka: schema };

/**
 * A member learns of a rebalance by a heartbeat, and then waits for handlers for 80 % of the rebalance timeout. The rest has to be
 * longer than the time between heartbeats.
 */
const heartbeatsOfRebalance = 5;

/**
 * Checks a configuration and fills in the defaults.
 *
 * @param path - The name of the configuration in messages.
 * @throws {@link InvalidConfigError} if a part is invalid. The error lists every problem.
 */
export function resolveOptions(config: unknown, path: string): KafkaOptions {
  const validated = validateConfig(schema, config, path);
  const given: Given = { ...propertiesOf(validated, path), ...definedOf(validated) };
  assertTogether(given, path);
  const sessionTimeoutMs = given.sessionTimeoutMs ?? defaultSessionTimeoutMs;
  const rebalanceTimeoutMs = given.rebalanceTimeoutMs ?? 60_000;
  return {
    connection: {
      client: given.client ?? 'kafkajs',
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
    delayedTopics: given.delayedTopics,
    topics: {
      numPartitions: given.numPartitions ?? -1,
      replicationFactor: given.replicationFactor ?? -1,
      metadataRefreshMs: given.metadataRefreshMs,
    },
    delivery: deliveryDefaults(given),
  };
}

/** The shortest that brokers accept, unless their `group.min.session.timeout.ms` is set. */
const defaultSessionTimeoutMs = 6000;

/** At least 1, for the short timeouts of tests. */
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
  if (given.client === 'platformatic' && given.sasl?.mechanism === 'aws') {
    problems.push({
      path: `${path}.sasl.mechanism`,
      message: "the client 'platformatic' does not have the mechanism aws; use the client 'kafkajs'",
    });
  }
  if (given.idempotent === true && given.acks !== undefined && given.acks !== -1) {
    problems.push({ path: `${path}.acks`, message: 'an idempotent producer needs acks -1; leave acks out' });
  }
  const { heartbeatIntervalMs, sessionTimeoutMs = defaultSessionTimeoutMs } = given;
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
