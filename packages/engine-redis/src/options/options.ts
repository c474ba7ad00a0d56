import type { RetryOptions, TimeToLive } from '@polybus/core';
import {
  atLeastOne,
  deadLetter,
  handlerTimeout,
  milliseconds,
  retry,
  stallLimit,
  strict,
  text,
  timeToLive,
  validateConfig,
  wholeNumber,
} from '@polybus/core/engine-kit';
import { InvalidConfigError } from '@polybus/core';
import type { Cluster, Redis, RedisOptions as ClientOptions } from 'ioredis';
import * as v from 'valibot';

/** A client of ioredis: of one server (Sentinel included), or of a cluster. */
export type RedisClient = Redis | Cluster;

/** `pubsub`: the least latency, nothing is kept. `streams`: durable, with groups and replay. */
export type RedisMode = 'pubsub' | 'streams';

/** The configuration of the Redis engine. */
export interface RedisConfig {
  /** `pubsub`: the least latency, nothing is kept. `streams`: durable, with groups and replay. Default `pubsub`. */
  readonly mode?: RedisMode | undefined;
  /** `redis://` or, with TLS, `rediss://`. Default `redis://localhost:6379`. */
  readonly url?: string | undefined;
  /** `url` in the configuration of a bus with one engine. */
  readonly externalBrokerURL?: string | undefined;
  /** The database, 0 where neither this nor the URL says. Pub/Sub knows no databases: its channels span all of them. */
  readonly db?: number | undefined;
  /** ACL user; wins over the URL's. */
  readonly username?: string | undefined;
  /** Wins over the URL's. */
  readonly password?: string | undefined;
  /** `username` in the configuration of a bus with one engine. */
  readonly externalBrokerUser?: string | undefined;
  /** `password` in the configuration of a bus with one engine. */
  readonly externalBrokerPassword?: string | undefined;
  /** Connections to publish over. The events of one topic always take the same one, so that they keep their order. Default 1. */
  readonly poolSize?: number | undefined;
  /** Further options of ioredis: `sentinels` and `name`, `tls`, `path`, `connectTimeout`, … */
  readonly clientOptions?: ClientOptions | undefined;
  /** A client of yours to publish with. What must not share it gets a duplicate of it. It is not closed. */
  readonly client?: RedisClient | undefined;
  /** Makes a client for each connection the engine needs; the engine closes them. Beside it, no field above counts. */
  readonly createClient?: (() => RedisClient) | undefined;
  /** Before each topic, in the names of channels and streams. Default `polybus:`, on a cluster with streams `{polybus}:`. */
  readonly keyPrefix?: string | undefined;
  /** Milliseconds that a publish, or a subscribe, may wait for a server that does not answer. Default 5000. */
  readonly commandTimeoutMs?: number | undefined;
  /** Streams: events that a stream keeps at least, where it has so many; older ones go once all groups have settled them. Default: no limit. */
  readonly maxLen?: number | undefined;
  /** Streams: days that an event is kept; it goes once all groups have settled it. Default 7. */
  readonly retentionDays?: number | undefined;
  /** Streams: a member of a group that gives no sign of life for this long is dead, and its events go to others. Milliseconds, default 30 000. */
  readonly claimIdleMs?: number | undefined;
  /** Streams: how long one blocking read waits. Milliseconds, default 5000. */
  readonly blockMs?: number | undefined;
  /** Handlers at once over all async subscriptions. Default 5. */
  readonly workerCount?: number | undefined;
  /** Events that may wait for each subscription. Default 256. */
  readonly defaultEventBufferSize?: number | undefined;
  /** Default for subscriptions: one attempt in mode `pubsub`, five in mode `streams`. */
  readonly retry?: RetryOptions | false | undefined;
  /** Default for subscriptions: false in mode `pubsub`, `_dead.<topic>` in mode `streams`. */
  readonly deadLetter?: string | boolean | undefined;
  /** Milliseconds. Default for subscriptions: no bound. */
  readonly handlerTimeoutMs?: number | undefined;
  /** How long reading or queued events may make no progress before `health()` is `degraded`, in milliseconds. Default 30 000. */
  readonly stallLimitMs?: number | undefined;
  /** An event that waited longer in a buffer is dropped. Default 0: no limit. */
  readonly eventTTL?: TimeToLive | undefined;
}

/** The configuration with every default filled in; durations in milliseconds. */
export interface RedisOptions {
  readonly mode: RedisMode;
  readonly connection: ConnectionOptions;
  readonly poolSize: number;
  readonly keyPrefix: string;
  /**
   * The prefix where `createClient` turns out to make a cluster, in mode `streams`.
   *
   * @throws {@link InvalidConfigError} where the one that was given has no hash tag.
   */
  readonly clusterKeyPrefix: () => string;
  readonly commandTimeoutMs: number;
  readonly maxLen: number | undefined;
  readonly retentionMs: number;
  readonly claimIdleMs: number;
  readonly blockMs: number;
  readonly workerCount: number;
  readonly bufferSize: number;
  readonly retry: RetryOptions | false | undefined;
  readonly deadLetter: string | boolean;
  readonly handlerTimeoutMs: number | undefined;
  readonly stallLimitMs: number;
  readonly ttlMs: number | undefined;
}

/** How to make clients. */
export interface ConnectionOptions {
  readonly url: string;
  readonly db: number | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly clientOptions: ClientOptions | undefined;
  readonly client: RedisClient | undefined;
  readonly createClient: (() => RedisClient) | undefined;
}

const defaultUrl = 'redis://localhost:6379';
const dayMs = 24 * 60 * 60 * 1000;

const urlForm = 'a URL such as "redis://localhost:6379", or "rediss://…" for TLS';
const url = v.pipe(
  v.string(urlForm),
  v.check((value) => /^rediss?:\/\//.test(value) && URL.canParse(value), urlForm),
);
const client = v.custom<RedisClient>(
  (value) =>
    typeof (value as Redis | null)?.duplicate === 'function' &&
    typeof (value as Redis).pipeline === 'function',
  'a client of ioredis (Redis or Cluster)',
);
const factory = v.custom<() => RedisClient>(
  (value) => typeof value === 'function',
  'a function that makes a client of ioredis',
);
const positiveMs = v.pipe(milliseconds, v.minValue(1, 'milliseconds, as a number of at least 1'));

const schema = strict({
  mode: v.optional(v.picklist(['pubsub', 'streams'], '"pubsub" or "streams"'), 'pubsub'),
  url: v.optional(url),
  externalBrokerURL: v.optional(url),
  db: v.optional(wholeNumber),
  username: v.optional(text),
  password: v.optional(text),
  externalBrokerUser: v.optional(text),
  externalBrokerPassword: v.optional(text),
  poolSize: v.optional(atLeastOne, 1),
  clientOptions: v.optional(
    v.custom<ClientOptions>((value) => typeof value === 'object', 'options of ioredis'),
  ),
  client: v.optional(client),
  createClient: v.optional(factory),
  keyPrefix: v.optional(v.string('text')),
  commandTimeoutMs: v.optional(positiveMs, 5000),
  maxLen: v.optional(atLeastOne),
  retentionDays: v.optional(atLeastOne, 7),
  claimIdleMs: v.optional(positiveMs, 30_000),
  blockMs: v.optional(positiveMs, 5000),
  workerCount: v.optional(atLeastOne, 5),
  defaultEventBufferSize: v.optional(atLeastOne, 256),
  retry: v.optional(retry),
  deadLetter: v.optional(deadLetter),
  handlerTimeoutMs: v.optional(handlerTimeout),
  stallLimitMs: v.optional(stallLimit, 30_000),
  eventTTL: v.optional(timeToLive, 0),
});

/** What the configuration of each engine type has to be; made into the JSON Schema of a bus's configuration. */
export const configSchemas: Readonly<Record<string, v.GenericSchema>> = { redis: schema };

/**
 * Checks a configuration and fills in the defaults.
 *
 * @param path - What to call the configuration in messages.
 * @throws {@link InvalidConfigError} if a part is invalid. The error lists every problem.
 */
export function resolveOptions(config: unknown, path: string): RedisOptions {
  const given = validateConfig(schema, config, path);
  const { mode } = given;
  if (given.client !== undefined && given.createClient !== undefined) {
    throw new InvalidConfigError([
      { path, message: 'client and createClient exclude each other; give one of them' },
    ]);
  }
  if (given.client !== undefined && given.poolSize > 1) {
    throw new InvalidConfigError([
      {
        path: `${path}.poolSize`,
        message: 'a client that you give is the one connection to publish over; leave poolSize out',
      },
    ]);
  }
  if (given.client?.options?.keyPrefix) {
    throw new InvalidConfigError([
      {
        path: `${path}.client`,
        message: 'this client has a keyPrefix; give one without, and the keyPrefix to the engine',
      },
    ]);
  }
  const isPubSub = mode === 'pubsub';
  return {
    mode,
    connection: {
      url: given.url ?? given.externalBrokerURL ?? defaultUrl,
      db: given.db,
      username: given.username ?? given.externalBrokerUser,
      password: given.password ?? given.externalBrokerPassword,
      clientOptions: given.clientOptions,
      client: given.client,
      createClient: given.createClient,
    },
    poolSize: given.poolSize,
    keyPrefix: resolvePrefix(given.keyPrefix, !isPubSub && isCluster(given.client), path),
    clusterKeyPrefix: () => resolvePrefix(given.keyPrefix, true, path),
    commandTimeoutMs: given.commandTimeoutMs,
    maxLen: given.maxLen,
    retentionMs: given.retentionDays * dayMs,
    claimIdleMs: given.claimIdleMs,
    blockMs: given.blockMs,
    workerCount: given.workerCount,
    bufferSize: given.defaultEventBufferSize,
    retry: given.retry ?? (isPubSub ? false : undefined),
    deadLetter: given.deadLetter ?? !isPubSub,
    handlerTimeoutMs: given.handlerTimeoutMs,
    stallLimitMs: given.stallLimitMs,
    ttlMs: given.eventTTL === 0 ? undefined : given.eventTTL,
  };
}

/** True for a client of a Redis Cluster. */
export function isCluster(client: RedisClient | undefined): client is Cluster {
  return client?.isCluster === true;
}

/** One read spans many streams, and on a cluster these must be on one node: their names need one hash tag. */
function resolvePrefix(prefix: string | undefined, needsHashTag: boolean, path: string): string {
  if (prefix === undefined) return needsHashTag ? '{polybus}:' : 'polybus:';
  if (!needsHashTag || /\{[^}]+\}/.test(prefix)) return prefix;
  throw new InvalidConfigError([
    {
      path: `${path}.keyPrefix`,
      message: `expected a hash tag in it on a cluster, such as "{${prefix}}", so that all streams are on one node`,
    },
  ]);
}

declare module '@polybus/core' {
  interface EngineTypes {
    readonly redis: RedisConfig;
  }
}
