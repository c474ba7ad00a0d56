import type { StartOptions } from '../types.ts';

/** Options of `startRedis`. */
export interface StartRedisOptions extends StartOptions {
  /** Further arguments of redis-server, such as `['--maxmemory', '20mb']`; they win over the testbed's own. */
  readonly args?: readonly string[];
  /** Password that the server asks for; it is part of the `url` (default none). */
  readonly password?: string;
}

/** The arguments that do not depend on where the server runs. */
export function redisArguments(options: StartRedisOptions): readonly string[] {
  return [
    // Kept over a restart, and over a SIGKILL: the append-only file is written before a command is answered. Handing it
    // to the operating system is enough for that, the machine itself is not going down.
    '--appendonly',
    'yes',
    '--appendfsync',
    'no',
    '--save',
    '',
    ...(options.password === undefined ? [] : ['--requirepass', options.password]),
    ...(options.args ?? []),
  ];
}

/** The URL of a server at an address. */
export function redisUrl(host: string, port: number, password: string | undefined): string {
  const secret = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
  return `redis://${secret}${host}:${String(port)}`;
}
