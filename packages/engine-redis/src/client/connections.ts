import type { Logger } from '@polybus/core';
import type { TransportContext } from '@polybus/core/engine';
import { onAbort } from '@polybus/core/engine-kit';
import { type Cluster, type ClusterOptions, Redis, type RedisOptions as ClientOptions } from 'ioredis';
import { Connection, type ConnectionState } from './connection.ts';
import { subscriberOf } from './cluster-nodes.ts';
import {
  type ConnectionOptions,
  type RedisClient,
  type RedisOptions,
  isCluster,
} from '../options/options.ts';

/** How long the first connections may take, where the client has no `connectTimeout`. */
const openTimeoutMs = 10_000;

/**
 * What a connection is for. `shared`: a client that was given may be used as it is, because nothing blocks it or changes its
 * mode. `blocking`: it may wait behind a read, so that its silence means nothing.
 */
export type ConnectionUse = 'shared' | 'own' | 'blocking';

/** Makes the connections of one engine. */
export class Connections {
  readonly #options: ConnectionOptions;
  readonly #timeoutMs: number;
  readonly #logger: Logger;
  readonly #name: string;
  readonly #open = new Set<Connection>();
  /** One has worked: it is not the configuration. */
  #hasWorked = false;

  /** @param timeoutMs - How long one that is made later may take, while the server is out. */
  constructor(options: ConnectionOptions, name: string, logger: Logger, timeoutMs = 5000) {
    this.#options = options;
    this.#timeoutMs = timeoutMs;
    this.#name = name;
    this.#logger = logger;
  }

  /** @throws {@link RedisConnectionError} */
  make(role: string, use: ConnectionUse = 'own'): Promise<Connection> {
    const { client, createClient } = this.#options;
    if (client !== undefined && use === 'shared') return this.#openWith(role, client, use, false);
    const made = createClient?.() ?? this.#makeClient(role);
    relyOn(made);
    return this.#openWith(role, made, use);
  }

  /**
   * A connection to listen to channels with.
   *
   * @param publishing - One to publish with, which on a cluster knows the nodes.
   */
  makeSubscriber({ client }: Connection): Promise<Connection> {
    const role = 'subscriber';
    if (!isCluster(client)) return this.make(role);
    return this.#openWith(
      role,
      subscriberOf(client, { ...this.#common(role), ...ours, ...asRead }, pauseMs),
      'own',
    );
  }

  async #openWith(role: string, client: RedisClient, use: ConnectionUse, isOwn = true): Promise<Connection> {
    const connection = new Connection(role, client, isOwn, this.#logger);
    this.#open.add(connection);
    // Once something has worked, a failure is an outage, which may pass.
    const isPatient = this.#hasWorked;
    try {
      await connection.open(isPatient ? this.#timeoutMs : connectTimeoutOf(client), isPatient);
    } catch (error) {
      connection.close();
      this.#open.delete(connection);
      throw error;
    }
    this.#hasWorked = true;
    if (isOwn) connection.watch(Math.max(minimumWatchMs, this.#timeoutMs), use !== 'blocking');
    return connection;
  }

  /** @throws {@link RedisConnectionError} where one of them is lost: the engine still works in part, but is not well. */
  assertReady(): void {
    for (const one of this.#open) if (!one.isReady) throw one.failure(new Error('it is being made again'));
  }

  /** Gives up what is still being opened, so that nobody waits for it. */
  closeOpening(): void {
    for (const connection of this.#open) if (!connection.isOpened) connection.close();
  }

  closeAll(): void {
    for (const connection of this.#open) connection.close();
    this.#open.clear();
  }

  get states(): ConnectionState[] {
    return [...this.#open].map(({ state }) => state);
  }

  #common(role: string): ClientOptions {
    return { lazyConnect: true, connectionName: `${this.#name}-${role}`.replaceAll(/[^\w.-]/g, '-') };
  }

  #makeClient(role: string): RedisClient {
    const { client, url, db, username, password, clientOptions } = this.#options;
    const common = this.#common(role);
    if (isCluster(client)) return duplicateCluster(client, { ...common, ...asRead });
    if (client !== undefined) return client.duplicate({ ...common, ...asRead });
    let wasReady = this.#hasWorked;
    const options: ClientOptions = {
      protocol: asRead.protocol,
      ...addressOf(url),
      ...clientOptions,
      ...common,
      replyMapping: asRead.replyMapping,
      // Until it has worked once, a failure is told at once: it may be the configuration.
      retryStrategy: (times: number) => (wasReady ? pauseMs(times) : null),
      ...given({ db, username, password }),
    };
    const made = new Redis(options as ClientOptions & { replyMapping: 'legacy' });
    made.once('ready', () => (wasReady = true));
    return made;
  }
}

/** However short `commandTimeoutMs` is: a server that saves its data may be silent for some time. */
const minimumWatchMs = 1000;

function pauseMs(times: number): number {
  return Math.min(50 * 2 ** Math.min(times, 6), 2000);
}

/** How replies come. The engine reads them as RESP2 has them, and needs nothing that RESP3 adds: see the README. */
const asRead = { protocol: 2, replyMapping: 'legacy' } as const;

/** What the engine relies on, whatever else is configured. All of it can be set on a client that has begun to connect. */
const ours = {
  // The engine subscribes again itself, to know when that is done and to report the gap.
  autoResubscribe: false,
  // A command whose answer was lost may have been carried out: the engine decides what becomes of it.
  autoResendUnfulfilledCommands: false,
  // What waits for a connection waits in the engine, which can give it up: a late command would surprise.
  enableOfflineQueue: false,
  maxRetriesPerRequest: null,
  // The engine batches itself, and goes by the order in which it sends.
  enableAutoPipelining: false,
  // The engine has its own, and compares the names in replies, which have none of the client's.
  keyPrefix: '',
  // Reads that block take longer than others may; the engine bounds each command itself.
  commandTimeout: undefined,
  socketTimeout: undefined,
  stringNumbers: false,
} satisfies ClientOptions;

/** A node connects with its first command, which has to wait for that, and is found again through the others. */
const oursOnNode = { ...ours, enableOfflineQueue: true, retryStrategy: null };

const oursOnCluster = {
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  keyPrefix: '',
  // As with one server: a command whose answer was lost is not sent again.
  retryDelayOnFailover: 0,
  // A replica is behind, so that the end of a stream there is not its end.
  scaleReads: 'master',
} satisfies ClusterOptions;

function relyOn(client: RedisClient): void {
  if (!isCluster(client)) {
    Object.assign(client.options, ours);
    return;
  }
  Object.assign(client.options, oursOnCluster);
  const rely = ({ options }: Redis): void => void Object.assign(options, oursOnNode);
  for (const node of client.nodes()) rely(node);
  client.on('+node', rely);
}

function connectTimeoutOf(client: RedisClient): number {
  const { connectTimeout } = (isCluster(client) ? client.options.redisOptions : client.options) ?? {};
  return connectTimeout || openTimeoutMs;
}

function duplicateCluster(client: Cluster, { lazyConnect, ...redisOptions }: ClientOptions): Cluster {
  return client.duplicate(undefined, {
    ...client.options,
    lazyConnect: lazyConnect ?? true,
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

/** Opens connections, and closes them all if that fails or the signal aborts. */
export async function withConnections<T>(
  { connection, commandTimeoutMs }: Pick<RedisOptions, 'connection' | 'commandTimeoutMs'>,
  { name, logger, signal }: TransportContext,
  open: (connections: Connections) => Promise<T>,
): Promise<T> {
  const connections = new Connections(connection, name, logger, commandTimeoutMs);
  const unlink = onAbort(signal, () => connections.closeAll());
  try {
    const opened = await open(connections);
    signal.throwIfAborted();
    return opened;
  } catch (error) {
    connections.closeAll();
    throw error;
  } finally {
    unlink();
  }
}
