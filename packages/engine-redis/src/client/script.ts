import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { isError } from '../errors.ts';

type Arguments = readonly (string | number | Buffer)[];

/** A Lua script that runs by its hash, and is sent in full where the server does not have it. */
export class Script {
  readonly #lua: string;
  readonly #sha: string;

  constructor(lua: string) {
    this.#lua = lua;
    this.#sha = createHash('sha1').update(lua).digest('hex');
  }

  async run(client: Redis, keys: readonly string[], args: Arguments): Promise<unknown> {
    try {
      return await this.runKnown(client, keys, args);
    } catch (error) {
      if (!isError(error, 'NOSCRIPT')) throw error;
      return this.evaluate(client, keys, args);
    }
  }

  /** Runs in full, in one round trip whatever the server knows. */
  evaluate(client: Redis, keys: readonly string[], args: Arguments): Promise<unknown> {
    return withBuffers(client).evalBuffer(...this.evalArguments(keys, args));
  }

  /** Runs by its hash alone. @throws NOSCRIPT where the server does not have it. */
  runKnown(client: Redis, keys: readonly string[], args: Arguments): Promise<unknown> {
    return withBuffers(client).evalshaBuffer(this.#sha, keys.length, ...keys, ...args);
  }

  /** The arguments of EVAL, for a pipeline. */
  evalArguments(keys: readonly string[], args: Arguments): [string, number, ...(string | number | Buffer)[]] {
    return [this.#lua, keys.length, ...keys, ...args];
  }
}

/** The client has them for every command, and declares them for few. By `callBuffer` a client that pipelines by itself loses the name. */
interface BufferCommands {
  evalBuffer(...args: unknown[]): Promise<unknown>;
  evalshaBuffer(...args: unknown[]): Promise<unknown>;
}

function withBuffers(client: Redis): BufferCommands {
  return client as unknown as BufferCommands;
}
