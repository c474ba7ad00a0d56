import type { StartOptions } from '../types.ts';

/** Options of `startRedis`. */
export interface StartRedisOptions extends StartOptions {
  /** Further arguments of redis-server, such as `['--maxmemory', '20mb']`. They override those of the testbed. */
  readonly args?: readonly string[];
  /** The password of the server. It is part of the `url` (default none). */
  readonly password?: string;
}

/** The arguments that do not depend on where the server runs. */
export function redisArguments(options: StartRedisOptions): readonly string[] {
  return [
    // Data survives a restart and a SIGKILL: Redis writes the append-only file before it answers a command. A write to the operating
    // system is enough, because the machine itself does not fail.
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
