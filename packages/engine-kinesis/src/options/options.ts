import type { KinesisClient } from '@aws-sdk/client-kinesis';
import { InvalidConfigError } from '@polybus/core';
import { assertTopic } from '@polybus/core/engine';
import {
  atLeastOne,
  deliveryDefaults,
  deliveryOptions,
  flag,
  positiveMilliseconds,
  strict,
  text,
  timerDuration,
  topic,
  validateConfig,
} from '@polybus/core/engine-kit';
import * as v from 'valibot';
import type { CheckpointStore } from '../stores/checkpoint-store.ts';
import type { AwsAddress, Credentials, KinesisOptions, StoreOptions } from './config.ts';
import { InvalidShardCountError } from '../errors.ts';
import { MemoryCheckpointStore } from '../stores/memory-store.ts';
import { type CheckpointStoreConfig, awsUrl, checkpointStore, isStore } from './store-config.ts';

const nameForm = 'a stream name: 1 to 128 letters, digits, "_", "-" and "."';
/** CreateStream, "StreamName". */
const streamName = v.pipe(v.string(nameForm), v.regex(/^[A-Za-z0-9_.-]{1,128}$/, nameForm));
const client = v.custom<KinesisClient>(
  (value) => typeof (value as KinesisClient | null)?.send === 'function',
  'a KinesisClient of @aws-sdk/client-kinesis',
);
const rateForm = 'reads per second, as a number above 0';
const limitForm = 'a whole number from 1 to 10000';

const schema = strict({
  streamName: v.optional(streamName, 'eventbus'),
  region: v.optional(text),
  endpoint: v.optional(awsUrl),
  externalBrokerURL: v.optional(awsUrl),
  accessKeyId: v.optional(text),
  secretAccessKey: v.optional(text),
  sessionToken: v.optional(text),
  externalBrokerUser: v.optional(text),
  externalBrokerPassword: v.optional(text),
  // A wrong shardCount has its own error; the type is for JSON Schema.
  shardCount: v.optional(v.pipe(v.unknown(), v.metadata({ type: 'integer', minimum: 1 })), 1),
  onDemand: v.optional(flag, false),
  client: v.optional(client),
  pollInterval: v.optional(timerDuration, 1000),
  readsPerSecond: v.optional(v.pipe(v.number(rateForm), v.finite(rateForm), v.gtValue(0, rateForm)), 5),
  maxRecordsPerRead: v.optional(v.pipe(atLeastOne, v.maxValue(10_000, limitForm)), 1000),
  requestTimeoutMs: v.optional(positiveMilliseconds, 5000),
  publishTimeoutMs: v.optional(positiveMilliseconds, 30_000),
  aggregate: v.optional(flag, false),
  foreignTopic: v.optional(topic),
  checkpointStore: v.optional(checkpointStore),
  leaseDurationMs: v.optional(positiveMilliseconds, 6000),
  checkpointIntervalMs: v.optional(positiveMilliseconds, 1000),
  ...deliveryOptions,
});

/** The schema of each engine type's configuration. The JSON Schema of a bus's configuration is generated from it. */
export const configSchemas: Readonly<Record<string, v.GenericSchema>> = { kinesis: schema };

/**
 * Checks a configuration and fills in the defaults.
 *
 * @param path - The name of the configuration in messages.
 * @throws {@link InvalidShardCountError} if `shardCount` is not a whole number of at least 1.
 * @throws {@link InvalidConfigError} that lists every other problem.
 */
export function resolveOptions(config: unknown, path: string): KinesisOptions {
  const given = validateConfig(schema, config, path);
  if (!Number.isInteger(given.shardCount) || (given.shardCount as number) < 1) {
    throw new InvalidShardCountError(given.shardCount, path);
  }
  const isOwn = given.accessKeyId !== undefined || given.secretAccessKey !== undefined;
  const connection = {
    client: given.client,
    region: given.region,
    endpoint: given.endpoint ?? given.externalBrokerURL,
    credentials: credentialsOf(
      {
        accessKeyId: given.accessKeyId ?? given.externalBrokerUser,
        secretAccessKey: given.secretAccessKey ?? given.externalBrokerPassword,
        sessionToken: given.sessionToken,
      },
      isOwn ? ['accessKeyId', 'secretAccessKey'] : ['externalBrokerUser', 'externalBrokerPassword'],
      path,
    ),
  };
  if (given.checkpointIntervalMs * 2 > given.leaseDurationMs) {
    const least = given.checkpointIntervalMs * 2;
    throw problem(
      fieldOf(path, 'leaseDurationMs'),
      `expected at least twice checkpointIntervalMs (${least}), so that a lease is renewed in time`,
    );
  }
  return {
    streamName: given.streamName,
    connection,
    shardCount: given.shardCount as number,
    onDemand: given.onDemand,
    pollIntervalMs: given.pollInterval,
    readsPerSecond: given.readsPerSecond,
    maxRecordsPerRead: given.maxRecordsPerRead,
    requestTimeoutMs: given.requestTimeoutMs,
    publishTimeoutMs: given.publishTimeoutMs,
    aggregate: given.aggregate,
    foreignTopic: given.foreignTopic ?? defaultForeignTopic(given.streamName, path),
    store: storeOf(given.checkpointStore, connection, fieldOf(path, 'checkpointStore')),
    leaseDurationMs: given.leaseDurationMs,
    checkpointIntervalMs: given.checkpointIntervalMs,
    delivery: deliveryDefaults(given),
  };
}

/** @param names - The names of the two fields that go together, for messages. */
function credentialsOf(
  { accessKeyId, secretAccessKey, sessionToken }: GivenCredentials,
  [user, password]: readonly [string, string],
  path: string,
): Credentials | undefined {
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    const missing = accessKeyId === undefined ? user : password;
    throw problem(fieldOf(path, missing), `${user} and ${password} go together; give both or neither`);
  }
  if (accessKeyId !== undefined && secretAccessKey !== undefined)
    return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  if (sessionToken === undefined) return undefined;
  throw problem(
    fieldOf(path, 'sessionToken'),
    'a sessionToken goes with an accessKeyId and a secretAccessKey; give these too',
  );
}

interface GivenCredentials {
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
  readonly sessionToken?: string | undefined;
}

function storeOf(
  given: CheckpointStoreConfig | CheckpointStore | undefined,
  engine: AwsAddress,
  path: string,
): StoreOptions | undefined {
  if (given === undefined || isStore(given)) return given;
  // It outlives a stop of the engine: the groups continue when it starts again.
  if (given.type === 'memory') return new MemoryCheckpointStore();
  if (given.type !== 'dynamodb') return given;
  const { tableName, region = engine.region, endpoint = engine.endpoint } = given;
  const own = credentialsOf(given, ['accessKeyId', 'secretAccessKey'], path);
  return {
    type: 'dynamodb',
    tableName,
    address: { region, endpoint, credentials: own ?? engine.credentials },
  };
}

/** True if the store keeps its documents when the process ends, and other processes see them. */
export function isShared(store: StoreOptions | undefined): boolean {
  return store !== undefined && (!isStore(store) || store.isShared);
}

function defaultForeignTopic(name: string, path: string): string {
  try {
    assertTopic(name);
    return name;
  } catch {
    throw problem(
      fieldOf(path, 'foreignTopic'),
      `required, because the name of the stream, "${name}", is not a valid topic`,
    );
  }
}

/** If a bus has one engine, the fields are at the top level of its configuration. */
function fieldOf(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function problem(path: string, message: string): InvalidConfigError {
  return new InvalidConfigError([{ path, message }]);
}
