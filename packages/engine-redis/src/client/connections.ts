import type { Logger } from '@polybus/core';
import type { TransportContext } from '@polybus/core/engine';
import { onAbort } from '@polybus/core/engine-kit';
import { Redis, type RedisOptions as ClientOptions } from 'ioredis';
import {
  connectTimeoutOf,
  definedFields,
  duplicateCluster,
  optionsOfUrl,
  reconnectPauseMs,
  replyFormat,
  requireOptions,
  requiredOptions,
} from './client-options.ts';
import { Connection, type ConnectionState } from './connection.ts';
import { subscriberOf } from './cluster-nodes.ts';
import {
  type ConnectionOptions,
  type RedisClient,
  type RedisOptions,
  isCluster,
} from '../options/options.ts';

/** The minimum interval of the watchdog, however short `commandTimeoutMs` is: a server that saves its data may not answer for some time. */
const minimumWatchMs = 1000;

/**
 * The use of a connection. `shared`: nothing blocks the client or changes its mode, so it may be the application's client.
 * `publish`: as `shared`, for commands that a replica accepts although they belong to the primary.
 * `blocking`: the server may not answer for some time because of a blocking read.
 */
export type ConnectionUse = 'shared' | 'publish' | 'own' | 'blocking';

/** Opens the connections of one engine. */
export class Connections {
  readonly #options: ConnectionOptions;
  readonly #timeoutMs: number;
  readonly #logger: Logger;
  readonly #name: string;
  readonly #open = new Set<Connection>();
  /** A connection has worked, so the configuration is right. */
  #hasWorked = false;

  /** @param timeoutMs - How long a later connection may take to open, while the server is down. */
  constructor(options: ConnectionOptions, name: string, logger: Logger, timeoutMs = 5000) {
    this.#options = options;
    this.#timeoutMs = timeoutMs;
    this.#name = name;
    this.#logger = logger;
  }

  /** @throws {@link RedisConnectionError} */
  make(role: string, use: ConnectionUse = 'own'): Promise<Connection> {
    const { client, createClient } = this.#options;
    const canShare = use === 'shared' || use === 'publish';
    if (client !== undefined && canShare) return this.#openWith(role, client, use, false);
    const made = createClient?.() ?? this.#makeClient(role);
    requireOptions(made);
    return this.#openWith(role, made, use);
  }

  /**
   * Opens a connection to subscribe to channels.
   *
   * @param publishing - A connection to publish with. On a cluster it knows the nodes.
   */
  makeSubscriber({ client }: Connection): Promise<Connection> {
    const role = 'subscriber';
    if (!isCluster(client)) return this.make(role);
    return this.#openWith(
      role,
      subscriberOf(client, { ...this.#common(role), ...requiredOptions, ...replyFormat }, reconnectPauseMs),
      'own',
    );
  }

  async #openWith(role: string, client: RedisClient, use: ConnectionUse, isOwn = true): Promise<Connection> {
    const connection = new Connection(role, client, isOwn, this.#logger);
    this.#open.add(connection);
    // After a connection has worked, a failure is an outage, which may be temporary.
    const isPatient = this.#hasWorked;
    try {
      await connection.open(isPatient ? this.#timeoutMs : connectTimeoutOf(client), isPatient);
    } catch (error) {
      connection.close();
      this.#open.delete(connection);
      throw error;
    }
    this.#hasWorked = true;
    const question = use === 'blocking' ? undefined : use === 'publish' ? 'role' : 'ping';
    if (isOwn) connection.watch(Math.max(minimumWatchMs, this.#timeoutMs), question);
    return connection;
  }

  /** @throws {@link RedisConnectionError} if a connection is lost. */
  assertReady(): void {
    for (const connection of this.#open)
      if (!connection.isReady) throw connection.failure(new Error('it is being opened again'));
  }

  /** Closes the connections that are still being opened, so that nothing waits for them. */
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
    if (isCluster(client)) return duplicateCluster(client, { ...common, ...replyFormat });
    if (client !== undefined) return client.duplicate({ ...common, ...replyFormat });
    let wasReady = this.#hasWorked;
    const options: ClientOptions = {
      protocol: replyFormat.protocol,
      ...optionsOfUrl(url),
      ...clientOptions,
      ...common,
      replyMapping: replyFormat.replyMapping,
      // Until the client has connected once, it gives up at once: the configuration may be wrong.
      retryStrategy: (times: number) => (wasReady ? reconnectPauseMs(times) : null),
      ...definedFields({ db, username, password }),
    };
    const made = new Redis(options as ClientOptions & { replyMapping: 'legacy' });
    made.once('ready', () => (wasReady = true));
    return made;
  }
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
