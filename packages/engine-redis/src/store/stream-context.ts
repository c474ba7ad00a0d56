import type { Logger } from '@polybus/core';
import type { TransportContext } from '@polybus/core/engine';
import type { Redis } from 'ioredis';
import type { Connection } from '../client/connection.ts';
import type { RedisOptions } from '../options/options.ts';
import type { StreamKeys } from './stream-keys.ts';

/** What the parts of mode `streams` share: a connection for commands that do not block, names, options and the log. */
export interface StreamContext {
  readonly connection: Connection;
  readonly keys: StreamKeys;
  readonly options: RedisOptions;
  readonly logger: Logger;
  readonly missed: TransportContext['missed'];
  /** Runs a command, for `commandTimeoutMs` at most. */
  readonly run: <T>(command: (client: Redis) => Promise<T>) => Promise<T>;
}
