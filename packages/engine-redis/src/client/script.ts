import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { isError } from '../errors.ts';

type Arguments = readonly (string | number | Buffer)[];

/** A Lua script that runs by its hash, and is sent in full if the server does not have it. */
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

  /** Sends the script in full: one round trip, whether the server has the script or not. */
  evaluate(client: Redis, keys: readonly string[], args: Arguments): Promise<unknown> {
    return withBuffers(client).evalBuffer(this.#lua, keys.length, keys, args);
  }

  /** Runs by its hash. @throws NOSCRIPT if the server does not have the script. */
  runKnown(client: Redis, keys: readonly string[], args: Arguments): Promise<unknown> {
    return withBuffers(client).evalshaBuffer(this.#sha, keys.length, keys, args);
  }

  /** The arguments of EVAL, for a pipeline. */
  evalArguments(keys: readonly string[], args: Arguments): [string, number, ...(string | number | Buffer)[]] {
    return [this.#lua, keys.length, ...keys, ...args];
  }
}

/**
 * The client has these methods for every command, but declares few of them. `callBuffer` is no substitute: with auto-pipelining, the
 * client loses the name of the command.
 */
interface BufferCommands {
  evalBuffer(...args: CommandArguments): Promise<unknown>;
  evalshaBuffer(...args: CommandArguments): Promise<unknown>;
}

/** With arrays, which the client flattens: a call with an argument for each of 100,000 ids would overflow the stack. */
type CommandArguments = [lua: string, keyCount: number, keys: readonly string[], args: Arguments];

function withBuffers(client: Redis): BufferCommands {
  return client as unknown as BufferCommands;
}
