import type { Logger } from '@polybus/core';
import { type Cluster, type ClusterOptions, Redis, type RedisOptions as ClientOptions } from 'ioredis';
import { Connection, type ConnectionState } from './connection.ts';
import { type ConnectionOptions, type RedisClient, isCluster } from './options.ts';

/** Makes the connections of one engine. */
export class Connections {
  readonly #options: ConnectionOptions;
  readonly #logger: Logger;
  readonly #name: string;
  readonly #open = new Set<Connection>();

  constructor(options: ConnectionOptions, name: string, logger: Logger) {
    this.#options = options;
    this.#name = name;
    this.#logger = logger;
  }

  /** @param canShare - Whether a client that was given may be used as it is: nothing blocks it or changes its mode. */
  async make(role: string, canShare = false): Promise<Connection> {
    const { client, createClient } = this.#options;
    const isGiven = client !== undefined && canShare;
    const connection = new Connection(
      role,
      isGiven ? client : (createClient?.() ?? this.#makeClient(role)),
      !isGiven,
      this.#logger,
    );
    this.#open.add(connection);
    await connection.open();
    return connection;
  }

  /** @throws {@link RedisConnectionError} where one of them is lost: the engine still works in part, but is not well. */
  assertReady(): void {
    for (const one of this.#open) if (!one.isReady) throw one.failure(new Error('it is being made again'));
  }

  closeAll(): void {
    for (const connection of this.#open) connection.close();
    this.#open.clear();
  }

  get states(): ConnectionState[] {
    return [...this.#open].map(({ state }) => state);
  }

  #makeClient(role: string): RedisClient {
    const { client, url, db, username, password, clientOptions } = this.#options;
    const common = {
      lazyConnect: true,
      connectionName: `${this.#name}-${role}`.replaceAll(/[^\w.-]/g, '-'),
      ...ours,
    };
    if (isCluster(client)) return duplicateCluster(client, common);
    if (client !== undefined) return client.duplicate(common);
    let wasReady = false;
    const options: ClientOptions = {
      // RESP3 reads streams about a fifth slower with this client: see the README.
      protocol: 2,
      ...addressOf(url),
      ...clientOptions,
      ...common,
      // Until it has worked once, a failure is told at once: it may be the configuration.
      retryStrategy: (times: number) => (wasReady ? Math.min(50 * 2 ** Math.min(times, 6), 2000) : null),
      ...given({ db, username, password }),
    };
    const made = new Redis(options as ClientOptions & { replyMapping: 'legacy' });
    made.once('ready', () => (wasReady = true));
    return made;
  }
}

/** What the engine relies on, whatever else is configured. */
const ours = {
  // The engine subscribes again itself, to know when that is done and to report the gap.
  autoResubscribe: false,
  // A command whose answer was lost may have been carried out: the engine decides what becomes of it.
  autoResendUnfulfilledCommands: false,
  // What waits for a connection waits in the engine, which can give it up: a late command would surprise.
  enableOfflineQueue: false,
  maxRetriesPerRequest: null,
} satisfies ClientOptions;

function duplicateCluster(client: Cluster, options: ClientOptions): Cluster {
  const { lazyConnect: _, ...redisOptions } = options;
  return client.duplicate(undefined, {
    ...client.options,
    lazyConnect: true,
    redisOptions: { ...client.options.redisOptions, ...redisOptions } as NonNullable<
      ClusterOptions['redisOptions']
    > & { replyMapping: 'legacy' },
  });
}

/** What a URL says, so that the configuration's own fields can win over it; the client would prefer the URL. */
function addressOf(text: string): ClientOptions {
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

/** The URL's own user, password and database count where the configuration gives none. */
function given(fields: Pick<ClientOptions, 'db' | 'username' | 'password'>): ClientOptions {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
