import { InvalidConfigError, type RetryOptions } from '@polybus/core';
import type { DeliveryDefaults } from '@polybus/core/engine';
import {
  type DeliveryOptions,
  atLeastOne,
  deadLetter,
  deliveryDefaults,
  deliveryOptions,
  positiveMilliseconds,
  strict,
  text,
  validateConfig,
  wholeNumber,
} from '@polybus/core/engine-kit';
import type { Cluster, Redis, RedisOptions as ClientOptions } from 'ioredis';
import * as v from 'valibot';

/** A client of ioredis: of one server (Sentinel included), or of a cluster. */
export type RedisClient = Redis | Cluster;

/** `pubsub`: lowest latency, keeps no events. `streams`: durable, with groups and replay. */
export type RedisMode = 'pubsub' | 'streams';

/** The engine types of this package. */
export type RedisType = 'redis' | 'redis-streams';

/** The configuration of the Redis engine. */
export interface RedisConfig extends DeliveryOptions {
  /** `pubsub`: lowest latency, keeps no events. `streams`: durable, with groups and replay. Default `pubsub`. */
  readonly mode?: RedisMode | undefined;
  /** The address of the server: `redis://`, or `rediss://` for TLS. Default `redis://localhost:6379`. */
  readonly url?: string | undefined;
  /** Another name of `url`. If both are set, `url` applies. The one-engine form has this field outside of `config`, too. */
  readonly externalBrokerURL?: string | undefined;
  /** The number of the database. It has no effect on Pub/Sub, whose channels span all databases. Default: the database of the URL, or 0. */
  readonly db?: number | undefined;
  /** The ACL user. It overrides the user of the URL. */
  readonly username?: string | undefined;
  /** The password. It overrides the password of the URL. */
  readonly password?: string | undefined;
  /** Another name of `username`. If both are set, `username` applies. The one-engine form has this field outside of `config`, too. */
  readonly externalBrokerUser?: string | undefined;
  /** Another name of `password`. If both are set, `password` applies. The one-engine form has this field outside of `config`, too. */
  readonly externalBrokerPassword?: string | undefined;
  /** The number of connections for publishing. All events of a topic use the same connection, so that they keep their order. Default 1. */
  readonly poolSize?: number | undefined;
  /** Further options of ioredis: `sentinels` and `name`, `tls`, `path`, `connectTimeout`, … */
  readonly clientOptions?: ClientOptions | undefined;
  /** Your own client, with which the engine publishes. For other connections, the engine duplicates it. It closes only the duplicates. */
  readonly client?: RedisClient | undefined;
  /** Creates a client for each connection. The engine closes these clients, and ignores `url`, `db`, `username`, `password` and `clientOptions`. */
  readonly createClient?: (() => RedisClient) | undefined;
  /** The prefix of topics in the names of channels and streams. Default `polybus:`, on a cluster with streams `{polybus}:`. */
  readonly keyPrefix?: string | undefined;
  /** How long a publish or a subscribe waits for a server that does not answer, in milliseconds. Default 5000. */
  readonly commandTimeoutMs?: number | undefined;
  /** Streams: the maximum number of events in a stream. The engine removes the oldest events beyond it, but no event that a group has not settled. Default: no limit. */
  readonly maxLen?: number | undefined;
  /** Streams: the maximum age of events in a stream, in days. The engine removes older events, but no event that a group has not settled. Default 7. */
  readonly retentionDays?: number | undefined;
  /** Streams: the duration of the lease that each subscription of a group has. If a subscription does not renew its lease, other subscriptions of the group get its events. In milliseconds. Default 6000. */
  readonly claimIdleMs?: number | undefined;
  /** Streams: how long one blocking read waits, in milliseconds. Default 5000. */
  readonly blockMs?: number | undefined;
  /** The `retry` of subscriptions that do not set it; `false` is one attempt. Default: `false` in mode `pubsub`, five attempts in mode `streams`. */
  readonly retry?: RetryOptions | false | undefined;
  /** The `deadLetter` of subscriptions that do not set it; `true` means the topic `_dead.<topic>`. Default: `false` in mode `pubsub`, `true` in mode `streams`. */
  readonly deadLetter?: string | boolean | undefined;
}

/** The configuration of the engine type `redis-streams`, which is `redis` in mode `streams`. */
export type RedisStreamsConfig = Omit<RedisConfig, 'mode'>;

/** The configuration with every default filled in; durations in milliseconds. */
export interface RedisOptions {
  readonly mode: RedisMode;
  readonly connection: ConnectionOptions;
  readonly poolSize: number;
  readonly keyPrefix: string;
  /**
   * The prefix if `createClient` creates a cluster's client, in mode `streams`.
   *
   * @throws {@link InvalidConfigError} if the configured prefix has no hash tag.
   */
  readonly clusterKeyPrefix: () => string;
  readonly commandTimeoutMs: number;
  readonly maxLen: number | undefined;
  readonly retentionMs: number;
  readonly claimIdleMs: number;
  readonly blockMs: number;
  readonly delivery: DeliveryDefaults;
}

/** How to create clients. */
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
  'a function that creates a client of ioredis',
);

const entries = {
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
  commandTimeoutMs: v.optional(positiveMilliseconds, 5000),
  maxLen: v.optional(atLeastOne),
  retentionDays: v.optional(atLeastOne, 7),
  claimIdleMs: v.optional(positiveMilliseconds, 6000),
  blockMs: v.optional(positiveMilliseconds, 5000),
  ...deliveryOptions,
  // The default depends on the mode.
  deadLetter: v.optional(deadLetter),
};
const mode = v.optional(v.picklist(['pubsub', 'streams'], '"pubsub" or "streams"'), 'pubsub');
const schema = strict({ mode, ...entries });
const streamsSchema = strict(entries);

/** The schema of each engine type's configuration. The JSON Schema of a bus's configuration is generated from it. */
export const configSchemas: Readonly<Record<RedisType, v.GenericSchema>> = {
  redis: schema,
  'redis-streams': streamsSchema,
};

/**
 * Checks a configuration and fills in the defaults.
 *
 * @param type - `redis-streams` is `redis` in mode `streams`, and its configuration has no `mode`.
 * @param path - The name of the configuration in messages.
 * @throws {@link InvalidConfigError} if a part is invalid. The error lists every problem.
 */
export function resolveOptions(config: unknown, path: string, type: RedisType = 'redis'): RedisOptions {
  const given =
    type === 'redis'
      ? validateConfig(schema, config, path)
      : { ...validateConfig(streamsSchema, config, path), mode: 'streams' as const };
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
        message: 'with client there is only one connection to publish over; leave poolSize out',
      },
    ]);
  }
  if (given.client?.options?.keyPrefix) {
    throw new InvalidConfigError([
      {
        path: `${path}.client`,
        message: 'this client has a keyPrefix; give a client without it, and set the keyPrefix of the engine',
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
    delivery: deliveryDefaults({
      ...given,
      retry: given.retry ?? (isPubSub ? false : undefined),
      deadLetter: given.deadLetter ?? !isPubSub,
    }),
  };
}

/** True for a client of a Redis Cluster. */
export function isCluster(client: RedisClient | undefined): client is Cluster {
  return client?.isCluster === true;
}

/** https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags: from the first `{` to the first `}` after it. */
function hasHashTag(prefix: string): boolean {
  const open = prefix.indexOf('{');
  return open !== -1 && prefix.indexOf('}', open) > open + 1;
}

/** One read spans many streams. On a cluster they must be on one node, so their names need a common hash tag. */
function resolvePrefix(prefix: string | undefined, needsHashTag: boolean, path: string): string {
  if (prefix === undefined) return needsHashTag ? '{polybus}:' : 'polybus:';
  if (!needsHashTag || hasHashTag(prefix)) return prefix;
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
    readonly 'redis-streams': RedisStreamsConfig;
  }
}
