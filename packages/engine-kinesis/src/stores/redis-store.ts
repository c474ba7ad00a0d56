import type { CheckpointStore, StoredDocument } from './checkpoint-store.ts';

/** The commands that the store uses; a client of ioredis has them. */
export interface RedisCommands {
  eval(script: string, keys: number, ...keysAndArguments: string[]): Promise<unknown>;
  hmget(key: string, ...fields: string[]): Promise<(string | null)[]>;
}

/** Options of {@link RedisCheckpointStore}. */
export interface RedisCheckpointStoreOptions {
  /** Prefix of the key of each document. Default `polybus:kinesis:`. */
  readonly keyPrefix?: string | undefined;
}

// A Redis server without free memory refuses HSET, unless the script has written before. The leases of a group must survive that, so the
// script deletes the old document first, and the new one takes its room. The server still refuses the document of a new group.
const replaceScript = `
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if version ~= tonumber(ARGV[1]) - 1 then return 0 end
if version > 0 then redis.call('HDEL', KEYS[1], 'text') end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'text', ARGV[2])
return 1
`;

/** Keeps checkpoints in Redis, with one hash per group. The store does not close the client. */
export class RedisCheckpointStore implements CheckpointStore {
  readonly isShared = true;
  readonly #client: RedisCommands;
  readonly #prefix: string;

  constructor(client: RedisCommands, { keyPrefix = 'polybus:kinesis:' }: RedisCheckpointStoreOptions = {}) {
    this.#client = client;
    this.#prefix = keyPrefix;
  }

  async read(name: string): Promise<StoredDocument | undefined> {
    const [version, text] = await this.#client.hmget(this.#prefix + name, 'version', 'text');
    if (typeof version !== 'string' || typeof text !== 'string') return undefined;
    return { version: Number(version), text };
  }

  async replace(name: string, { version, text }: StoredDocument): Promise<boolean> {
    return (await this.#client.eval(replaceScript, 1, this.#prefix + name, String(version), text)) === 1;
  }
}
