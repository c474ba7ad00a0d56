import type { KinesisClient } from '@aws-sdk/client-kinesis';
import { type Duration, InvalidConfigError, type RetryOptions, type TimeToLive } from '@polybus/core';
import { assertTopic } from '@polybus/core/engine';
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
  timerDuration,
  timeToLive,
  topic,
  validateConfig,
} from '@polybus/core/engine-kit';
import * as v from 'valibot';
import type { CheckpointStore } from '../stores/checkpoint-store.ts';
import { InvalidShardCountError } from '../errors.ts';
import { MemoryCheckpointStore } from '../stores/memory-store.ts';

/** The configuration of the Kinesis engine. */
export interface KinesisConfig {
  /** The stream that carries all topics. Default `eventbus`. */
  readonly streamName?: string | undefined;
  /** Default: what the SDK finds (`AWS_REGION`, profile); with `endpoint` and none of these, `us-east-1`. */
  readonly region?: string | undefined;
  /** `http://` or `https://`, for LocalStack and the like. Default: AWS. */
  readonly endpoint?: string | undefined;
  /** `endpoint` in the configuration of a bus with one engine. */
  readonly externalBrokerURL?: string | undefined;
  /** Default: the SDK's chain (environment, profile, role of the container or instance). */
  readonly accessKeyId?: string | undefined;
  /** The secret of `accessKeyId`. */
  readonly secretAccessKey?: string | undefined;
  /** The token of temporary credentials. */
  readonly sessionToken?: string | undefined;
  /** `accessKeyId` in the configuration of a bus with one engine. */
  readonly externalBrokerUser?: string | undefined;
  /** `secretAccessKey` in the configuration of a bus with one engine. */
  readonly externalBrokerPassword?: string | undefined;
  /** Shards of the stream, where it has to be created. Default 1. */
  readonly shardCount?: number | undefined;
  /** Creates the stream on demand, instead of with `shardCount`. Default false. */
  readonly onDemand?: boolean | undefined;
  /** A client of yours. It is not closed. Beside it, no field about the region, the endpoint or the credentials counts. */
  readonly client?: KinesisClient | undefined;
  /** How long an idle shard is left alone between two reads. Default 1 s. */
  readonly pollInterval?: Duration | undefined;
  /** Reads per second that this process makes of each shard at most. AWS allows 5, over all readers. Default 5. */
  readonly readsPerSecond?: number | undefined;
  /** Records that one read asks for at most, 1 to 10 000. Default 1000. */
  readonly maxRecordsPerRead?: number | undefined;
  /** Milliseconds that one call may take. Default 5000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Milliseconds that a publish may take, its retries included; several times `requestTimeoutMs`, or there are none. Default 30 000. */
  readonly publishTimeoutMs?: number | undefined;
  /** Packs events of one key that wait for each other into one record, as the Kinesis Producer Library does. Default false. */
  readonly aggregate?: boolean | undefined;
  /** The topic of records that are no CloudEvents. Default: the name of the stream. */
  readonly foreignTopic?: string | undefined;
  /** Where consumer groups keep their positions and leases. Default: in memory, for groups within this process. */
  readonly checkpointStore?: CheckpointStore | undefined;
  /** A member of a group that has been silent this long is dead, and others take its shards. Milliseconds, default 10 000. */
  readonly leaseDurationMs?: number | undefined;
  /** How often a member of a group writes its positions and renews its leases. Milliseconds, default 1000. */
  readonly checkpointIntervalMs?: number | undefined;
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

/** The configuration with every default filled in; durations in milliseconds. */
export interface KinesisOptions {
  readonly streamName: string;
  readonly connection: ConnectionOptions;
  readonly shardCount: number;
  readonly onDemand: boolean;
  readonly pollIntervalMs: number;
  readonly readsPerSecond: number;
  readonly maxRecordsPerRead: number;
  readonly requestTimeoutMs: number;
  readonly publishTimeoutMs: number;
  readonly aggregate: boolean;
  readonly foreignTopic: string;
  readonly store: CheckpointStore;
  readonly leaseDurationMs: number;
  readonly checkpointIntervalMs: number;
  readonly workerCount: number;
  readonly bufferSize: number;
  readonly retry: RetryOptions | false | undefined;
  readonly deadLetter: string | boolean;
  readonly handlerTimeoutMs: number | undefined;
  readonly stallLimitMs: number;
  readonly ttlMs: number | undefined;
}

/** How to make a client. */
export interface ConnectionOptions {
  readonly client: KinesisClient | undefined;
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly credentials:
    | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
    | undefined;
}

const urlForm = 'a URL such as "http://localhost:4566", or "https://…"';
const url = v.pipe(
  v.string(urlForm),
  v.check((value) => /^https?:\/\//.test(value) && URL.canParse(value), urlForm),
);
const nameForm = 'a stream name: 1 to 128 letters, digits, "_", "-" and "."';
/** CreateStream, "StreamName". */
const streamName = v.pipe(v.string(nameForm), v.regex(/^[A-Za-z0-9_.-]{1,128}$/, nameForm));
const client = v.custom<KinesisClient>(
  (value) => typeof (value as KinesisClient | null)?.send === 'function',
  'a KinesisClient of @aws-sdk/client-kinesis',
);
const store = v.custom<CheckpointStore>(
  (value) =>
    typeof (value as CheckpointStore | null)?.read === 'function' &&
    typeof (value as CheckpointStore).replace === 'function',
  'a checkpoint store, such as new FileCheckpointStore(folder)',
);
const positiveMs = v.pipe(milliseconds, v.minValue(1, 'milliseconds, as a number of at least 1'));
const rateForm = 'reads per second, as a number above 0';
const limitForm = 'a whole number from 1 to 10000';

const schema = strict({
  streamName: v.optional(streamName, 'eventbus'),
  region: v.optional(text),
  endpoint: v.optional(url),
  externalBrokerURL: v.optional(url),
  accessKeyId: v.optional(text),
  secretAccessKey: v.optional(text),
  sessionToken: v.optional(text),
  externalBrokerUser: v.optional(text),
  externalBrokerPassword: v.optional(text),
  // It has an error of its own; the type is for JSON Schema.
  shardCount: v.optional(v.pipe(v.unknown(), v.metadata({ type: 'integer', minimum: 1 })), 1),
  onDemand: v.optional(flag, false),
  client: v.optional(client),
  pollInterval: v.optional(timerDuration, 1000),
  readsPerSecond: v.optional(v.pipe(v.number(rateForm), v.finite(rateForm), v.gtValue(0, rateForm)), 5),
  maxRecordsPerRead: v.optional(v.pipe(atLeastOne, v.maxValue(10_000, limitForm)), 1000),
  requestTimeoutMs: v.optional(positiveMs, 5000),
  publishTimeoutMs: v.optional(positiveMs, 30_000),
  aggregate: v.optional(flag, false),
  foreignTopic: v.optional(topic),
  checkpointStore: v.optional(store),
  leaseDurationMs: v.optional(positiveMs, 10_000),
  checkpointIntervalMs: v.optional(positiveMs, 1000),
  workerCount: v.optional(atLeastOne, 5),
  defaultEventBufferSize: v.optional(atLeastOne, 256),
  retry: v.optional(retry),
  deadLetter: v.optional(deadLetter),
  handlerTimeoutMs: v.optional(handlerTimeout),
  stallLimitMs: v.optional(stallLimit, 30_000),
  eventTTL: v.optional(timeToLive, 0),
});

/** What the configuration of each engine type has to be; made into the JSON Schema of a bus's configuration. */
export const configSchemas: Readonly<Record<string, v.GenericSchema>> = { kinesis: schema };

/**
 * Checks a configuration and fills in the defaults.
 *
 * @param path - What to call the configuration in messages.
 * @throws {@link InvalidShardCountError} where `shardCount` is none.
 * @throws {@link InvalidConfigError} listing every other problem.
 */
export function resolveOptions(config: unknown, path: string): KinesisOptions {
  const given = validateConfig(schema, config, path);
  if (!Number.isInteger(given.shardCount) || (given.shardCount as number) < 1) {
    throw new InvalidShardCountError(given.shardCount, path);
  }
  const accessKeyId = given.accessKeyId ?? given.externalBrokerUser;
  const secretAccessKey = given.secretAccessKey ?? given.externalBrokerPassword;
  const { sessionToken } = given;
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    const isOwn = given.accessKeyId !== undefined || given.secretAccessKey !== undefined;
    const [user, password] = isOwn
      ? ['accessKeyId', 'secretAccessKey']
      : ['externalBrokerUser', 'externalBrokerPassword'];
    const missing = accessKeyId === undefined ? user : password;
    throw problem(fieldOf(path, missing), `${user} and ${password} go together; give both, or neither`);
  }
  if (sessionToken !== undefined && accessKeyId === undefined) {
    throw problem(
      fieldOf(path, 'sessionToken'),
      'a sessionToken goes with an accessKeyId and a secretAccessKey; give these too',
    );
  }
  if (given.checkpointIntervalMs * 2 > given.leaseDurationMs) {
    const least = given.checkpointIntervalMs * 2;
    throw problem(
      fieldOf(path, 'leaseDurationMs'),
      `expected at least twice checkpointIntervalMs (${least}), so that a lease is renewed in time`,
    );
  }
  return {
    streamName: given.streamName,
    connection: {
      client: given.client,
      region: given.region,
      endpoint: given.endpoint ?? given.externalBrokerURL,
      credentials:
        accessKeyId === undefined || secretAccessKey === undefined
          ? undefined
          : { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    },
    shardCount: given.shardCount as number,
    onDemand: given.onDemand,
    pollIntervalMs: given.pollInterval,
    readsPerSecond: given.readsPerSecond,
    maxRecordsPerRead: given.maxRecordsPerRead,
    requestTimeoutMs: given.requestTimeoutMs,
    publishTimeoutMs: given.publishTimeoutMs,
    aggregate: given.aggregate,
    foreignTopic: given.foreignTopic ?? defaultForeignTopic(given.streamName, path),
    store: given.checkpointStore ?? new MemoryCheckpointStore(),
    leaseDurationMs: given.leaseDurationMs,
    checkpointIntervalMs: given.checkpointIntervalMs,
    workerCount: given.workerCount,
    bufferSize: given.defaultEventBufferSize,
    retry: given.retry,
    deadLetter: given.deadLetter ?? true,
    handlerTimeoutMs: given.handlerTimeoutMs,
    stallLimitMs: given.stallLimitMs,
    ttlMs: given.eventTTL === 0 ? undefined : given.eventTTL,
  };
}

function defaultForeignTopic(name: string, path: string): string {
  try {
    assertTopic(name);
    return name;
  } catch {
    throw problem(
      fieldOf(path, 'foreignTopic'),
      `expected one to be given: the name of the stream, "${name}", is not a topic`,
    );
  }
}

/** A bus with one engine has its fields at the top. */
function fieldOf(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function problem(path: string, message: string): InvalidConfigError {
  return new InvalidConfigError([{ path, message }]);
}

declare module '@polybus/core' {
  interface EngineTypes {
    readonly kinesis: KinesisConfig;
  }
}
