import type { CheckpointStore, StoredDocument } from './checkpoint-store.ts';

/** What the store needs of a client; one of ioredis has it. */
export interface RedisCommands {
  eval(script: string, keys: number, ...keysAndArguments: string[]): Promise<unknown>;
  hmget(key: string, ...fields: string[]): Promise<(string | null)[]>;
}

/** Options of {@link RedisCheckpointStore}. */
export interface RedisCheckpointStoreOptions {
  /** Before the name of each document. Default `polybus:kinesis:`. */
  readonly keyPrefix?: string | undefined;
}

// A full server refuses HSET, unless the script has written before. It must not end the leases of a group: the new document takes the
// room of the old one, which goes first. A group that is new is refused.
const replaceScript = `
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if version ~= tonumber(ARGV[1]) - 1 then return 0 end
if version > 0 then redis.call('HDEL', KEYS[1], 'text') end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'text', ARGV[2])
return 1
`;

/** Positions in Redis, one hash per group. The client is yours: it is not closed. */
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
