import { strict, text } from '@polybus/core/engine-kit';
import * as v from 'valibot';
import type { CheckpointStore } from '../stores/checkpoint-store.ts';

/** Keeps checkpoints in the memory of the process. They are lost with the process, and processes share no group. */
export interface MemoryStoreConfig {
  readonly type: 'memory';
}

/** Keeps checkpoints in files, for the processes of one host. */
export interface FileStoreConfig {
  readonly type: 'file';
  /** A folder on a local file system, the same for all processes of a group. The engine creates it if necessary. */
  readonly folder: string;
}

/** Keeps checkpoints in Redis. Needs the package `ioredis`. */
export interface RedisStoreConfig {
  readonly type: 'redis';
  /** The address of the server, `redis://`, or `rediss://` for TLS. */
  readonly url: string;
  /** The user. Default: the user in `url`. */
  readonly username?: string | undefined;
  /** The password. Default: the password in `url`. */
  readonly password?: string | undefined;
  /** Prefix of the key of each document. Default `polybus:kinesis:`. */
  readonly keyPrefix?: string | undefined;
}

/** Keeps checkpoints in DynamoDB. Needs the package `@aws-sdk/client-dynamodb`. */
export interface DynamoDBStoreConfig {
  readonly type: 'dynamodb';
  /** The table. If it does not exist, the engine creates it, with on-demand billing. Default `polybus-kinesis`. */
  readonly tableName?: string | undefined;
  /** The AWS region of the table. Default: the engine's `region`. */
  readonly region?: string | undefined;
  /** The address of a server other than AWS, `http://` or `https://`. Default: the engine's `endpoint`. */
  readonly endpoint?: string | undefined;
  /** The access key. Default: the engine's credentials. */
  readonly accessKeyId?: string | undefined;
  /** The secret of `accessKeyId`. */
  readonly secretAccessKey?: string | undefined;
  /** The token of temporary credentials. */
  readonly sessionToken?: string | undefined;
}

/** A checkpoint store that the engine creates when it starts, and closes when it stops. */
export type CheckpointStoreConfig =
  MemoryStoreConfig | FileStoreConfig | RedisStoreConfig | DynamoDBStoreConfig;

const awsUrlForm = 'a URL such as "http://localhost:4566", or "https://…"';
export const awsUrl: v.GenericSchema<string> = v.pipe(
  v.string(awsUrlForm),
  v.check((value) => /^https?:\/\//.test(value) && URL.canParse(value), awsUrlForm),
);
const redisUrlForm = 'a URL such as "redis://localhost:6379", or "rediss://…" for TLS';
const redisUrl = v.pipe(
  v.string(redisUrlForm),
  v.check((value) => /^rediss?:\/\//.test(value) && URL.canParse(value), redisUrlForm),
);

const schemas = {
  memory: strict({ type: v.literal('memory') }),
  file: strict({ type: v.literal('file'), folder: text }),
  redis: strict({
    type: v.literal('redis'),
    url: redisUrl,
    username: v.optional(text),
    password: v.optional(text),
    keyPrefix: v.optional(text),
  }),
  dynamodb: strict({
    type: v.literal('dynamodb'),
    tableName: v.optional(text),
    region: v.optional(text),
    endpoint: v.optional(awsUrl),
    accessKeyId: v.optional(text),
    secretAccessKey: v.optional(text),
    sessionToken: v.optional(text),
  }),
};

const instance = v.custom<CheckpointStore>(isStore, 'a checkpoint store');
const stores = v.union(
  [schemas.memory, schemas.file, schemas.redis, schemas.dynamodb, instance],
  'an object with a "type", such as { type: "file", folder: "positions" }, or a checkpoint store such as new FileCheckpointStore(folder)',
);
const types = Object.keys(schemas) as (keyof typeof schemas)[];
const withType = v.looseObject({ type: v.picklist(types, '"memory", "file", "redis" or "dynamodb"') });

/** The option `checkpointStore`, validated. */
export const checkpointStore: v.GenericSchema<CheckpointStoreConfig | CheckpointStore> = {
  ...stores,
  // A union would report an invalid object only as none of its alternatives.
  '~run': (dataset, config) => {
    const { value } = dataset;
    if (isStore(value) || !('type' in Object(value))) return stores['~run'](dataset, config);
    const schema = types.includes((value as CheckpointStoreConfig).type)
      ? schemas[(value as CheckpointStoreConfig).type]
      : withType;
    return schema['~run'](dataset, config) as ReturnType<(typeof stores)['~run']>;
  },
};

/** True for a store that the application has created. */
export function isStore(value: unknown): value is CheckpointStore {
  const { read, replace } = (value ?? {}) as Partial<CheckpointStore>;
  return typeof read === 'function' && typeof replace === 'function';
}
