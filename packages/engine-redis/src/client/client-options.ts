import type { Cluster, ClusterOptions, Redis, RedisOptions as ClientOptions } from 'ioredis';
import { backoffMs } from '@polybus/core/engine-kit';
import { type RedisClient, isCluster } from '../options/options.ts';

/** How long the first connections may take if the client has no `connectTimeout`. */
const openTimeoutMs = 10_000;

/** The pause before the client connects again. */
export function reconnectPauseMs(times: number): number {
  return backoffMs(times, 100, 2000);
}

/** The format of replies. The engine reads replies of RESP2, and needs nothing that RESP3 adds: see the README. */
export const replyFormat = { protocol: 2, replyMapping: 'legacy' } as const;

/** Options that the engine requires, whatever else is configured. They also take effect on a client that is already connecting. */
export const requiredOptions: ClientOptions = {
  // The engine itself subscribes again, to know when it is done and to report the gap.
  autoResubscribe: false,
  // A command whose answer was lost may have been carried out: the engine decides whether to send it again.
  autoResendUnfulfilledCommands: false,
  // Commands wait for a connection in the engine, which can give them up.
  enableOfflineQueue: false,
  maxRetriesPerRequest: null,
  // The engine sends batches itself, and relies on the order of its commands.
  enableAutoPipelining: false,
  // The engine has its own prefix, and compares names in replies, which do not have the client's.
  keyPrefix: '',
  // Blocking reads take longer than other commands. The engine itself limits the time of each command.
  commandTimeout: undefined,
  socketTimeout: undefined,
  stringNumbers: false,
};

/** A node connects when its first command comes, so that command has to wait. A lost node is found again through the others. */
const requiredNodeOptions = { ...requiredOptions, enableOfflineQueue: true, retryStrategy: null };

const requiredClusterOptions = {
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  keyPrefix: '',
  // As with a single server, a command whose answer was lost is not sent again.
  retryDelayOnFailover: 0,
  // A replica may be behind, so its copy of a stream may lack the last entries.
  scaleReads: 'master',
} satisfies ClusterOptions;

/** Sets the options that the engine requires. */
export function requireOptions(client: RedisClient): void {
  if (!isCluster(client)) {
    Object.assign(client.options, requiredOptions);
    return;
  }
  Object.assign(client.options, requiredClusterOptions);
  const requireOfNode = ({ options }: Redis): void => void Object.assign(options, requiredNodeOptions);
  for (const node of client.nodes()) requireOfNode(node);
  client.on('+node', requireOfNode);
}

export function connectTimeoutOf(client: RedisClient): number {
  const { connectTimeout } = (isCluster(client) ? client.options.redisOptions : client.options) ?? {};
  return connectTimeout || openTimeoutMs;
}

export function duplicateCluster(client: Cluster, { lazyConnect, ...redisOptions }: ClientOptions): Cluster {
  return client.duplicate(undefined, {
    ...client.options,
    lazyConnect: lazyConnect ?? true,
    redisOptions: { ...client.options.redisOptions, ...redisOptions } as NonNullable<
      ClusterOptions['redisOptions']
    > & { replyMapping: 'legacy' },
  });
}

/** Options from a URL, so that fields of the configuration can override them. The client itself would prefer the URL. */
export function optionsOfUrl(text: string): ClientOptions {
  const { protocol, hostname, port, pathname, username, password, searchParams } = new URL(text);
  return {
    ...(Object.fromEntries(searchParams) as ClientOptions),
    ...(hostname === '' ? {} : { host: hostname.replace(/^\[(.*)\]$/, '$1') }),
    ...(port === '' ? {} : { port: Number(port) }),
    ...(pathname.length > 1 ? { db: Number(pathname.slice(1)) } : {}),
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' ? { tls: {} } : {}),
  };
}

/** Without the fields that the configuration does not set, so that those of the URL stay. */
export function definedFields(fields: Pick<ClientOptions, 'db' | 'username' | 'password'>): ClientOptions {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
