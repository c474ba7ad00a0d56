import { InvalidOptionError } from '@polybus/core';
import { type OptionNames, assertOptionNames } from '@polybus/core/engine-kit';
import type { ClaimResult, DedupeStore } from './dedupe-store.ts';

/** A client or cluster of ioredis. */
export interface IoredisClient {
  eval(script: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>;
  defineCommand(name: string, definition: { lua: string; numberOfKeys?: number }): void;
}

/** A client or cluster of node-redis (`redis` or `@redis/client`). */
export interface NodeRedisClient {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

/** Options of {@link RedisDedupeStore}. */
export interface RedisDedupeStoreOptions {
  /** The beginning of each Redis key. Default `polybus:dedupe:`. */
  readonly keyPrefix?: string | undefined;
}

const optionNames: OptionNames<RedisDedupeStoreOptions> = { keyPrefix: true };

/** The value of the key of an event that a handler has handled. An owner, which is the value of a claim, is longer. */
const handled = 'handled';

const claimScript = `
local value = redis.call('GET', KEYS[1])
if value == '${handled}' then return '${handled}' end
if value and value ~= ARGV[1] then return 'busy' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'claimed'`;

const extendScript = `
local value = redis.call('GET', KEYS[1])
if not value or value == ARGV[1] then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end`;

const completeScript = `redis.call('SET', KEYS[1], '${handled}', 'PX', ARGV[1])`;

const releaseScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`;

/**
 * Keeps the ids in Redis, one key each, which expires by itself. Each method is one script, which Redis runs atomically. The store uses
 * the client that it gets, and does not close it.
 *
 * Redis must not evict these keys: a `maxmemory-policy` other than `noeviction` can make it forget an id early. So can a failover to a
 * replica that has not received the latest write.
 */
export class RedisDedupeStore implements DedupeStore {
  readonly #run: (script: string, key: string, ...args: string[]) => Promise<unknown>;

  /** @throws {@link InvalidOptionError} or {@link UnknownOptionError} if an argument is invalid. */
  constructor(client: IoredisClient | NodeRedisClient, options: RedisDedupeStoreOptions = {}) {
    if (typeof client !== 'object' || client === null || typeof client.eval !== 'function')
      throw new InvalidOptionError('client', client, 'a client of ioredis or node-redis');
    assertOptionNames('RedisDedupeStore', options, optionNames);
    const { keyPrefix = 'polybus:dedupe:' } = options;
    this.#run =
      'defineCommand' in client
        ? (script, key, ...args) => client.eval(script, 1, keyPrefix + key, ...args)
        : (script, key, ...args) => client.eval(script, { keys: [keyPrefix + key], arguments: args });
  }

  async claim(key: string, owner: string, claimMs: number): Promise<ClaimResult> {
    return (await this.#run(claimScript, key, owner, whole(claimMs))) as ClaimResult;
  }

  async extend(key: string, owner: string, claimMs: number): Promise<void> {
    await this.#run(extendScript, key, owner, whole(claimMs));
  }

  async complete(key: string, _owner: string, ttlMs: number): Promise<void> {
    await this.#run(completeScript, key, whole(ttlMs));
  }

  async release(key: string, owner: string): Promise<void> {
    await this.#run(releaseScript, key, owner);
  }
}

/** Redis takes only whole milliseconds. */
function whole(ms: number): string {
  return String(Math.ceil(ms));
}
