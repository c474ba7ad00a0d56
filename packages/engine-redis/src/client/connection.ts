import type { Logger } from '@polybus/core';
import type { Redis } from 'ioredis';
import { nodesOf, watchNodes } from './cluster-nodes.ts';
import { ConnectionWatch, type ConnectionWatchOptions } from './connection-watch.ts';
import {
  RedisConnectionError,
  connectionAdvice,
  isAnswer,
  isRefusal,
  messageOf,
  withoutArguments,
} from '../errors.ts';
import { type RedisClient, isCluster } from '../options/options.ts';
import { PendingCommands } from './pending-commands.ts';

const done = Promise.resolve();

/** The functions that a connection calls when it is lost and restored. */
export interface ConnectionListener {
  /** Commands that were on their way will receive no answer. */
  onLost?(): void;
  /**
   * The connection works again after it was lost. Called before commands that waited are sent. On a cluster it is also called for
   * each node that is lost, while the other nodes work.
   */
  onRestored?(): void;
}

/** The state of a connection in `health()`. */
export interface ConnectionState {
  readonly status: string;
  readonly reconnects: number;
  readonly lastError?: string;
}

/**
 * One connection, for one purpose. It reports when it is lost and restored, keeps the last error for messages, and closes only a
 * client that it owns.
 */
export class Connection {
  /** A `Redis` for the type checker: the engine calls only methods that a `Cluster` has, too. */
  readonly client: Redis;
  readonly #role: string;
  readonly #isOwn: boolean;
  readonly #logger: Logger;
  readonly #listeners = new Set<ConnectionListener>();
  readonly #commands: PendingCommands;
  #isOpened = false;
  #isClosed = false;
  #isLost = false;
  #reconnects = 0;
  #lastError: unknown;
  #aliveAt = performance.now();
  #watch: ConnectionWatch | undefined;

  constructor(role: string, client: RedisClient, isOwn: boolean, logger: Logger) {
    this.#role = role;
    this.client = client as Redis;
    this.#isOwn = isOwn;
    this.#logger = logger;
    this.#commands = new PendingCommands({
      client: this.client,
      // No watchdog replaces the connections of the application's client, so data of another node says nothing about a command.
      received: () => (isOwn || !isCluster(client) ? this.#received : 0),
      failure: (error) => this.failure(error),
      onAnswer: this.#alive,
    });
    client.on('error', this.#onError);
    client.on('close', this.#onClose);
    client.on('ready', this.#onReady);
    client.on('end', this.#onEnd);
    if (isOwn && isCluster(client)) watchNodes(client, this.#onNodeLost);
  }

  get isReady(): boolean {
    return this.client.status === 'ready';
  }

  /** Also false for a connection that is ending: the client calls it ready until it has ended. */
  get takesCommands(): boolean {
    const { stream } = this.client as Partial<Pick<Redis, 'stream'>>;
    return this.isReady && stream?.writable !== false;
  }

  get lastError(): unknown {
    return this.#lastError;
  }

  get state(): ConnectionState {
    const { status } = this.client;
    const state = { status, reconnects: this.#reconnects };
    return this.#lastError === undefined ? state : { ...state, lastError: messageOf(this.#lastError) };
  }

  /**
   * When the last command was sent that the server has answered, by `performance.now()`: everything that the server sent before has
   * arrived. A message that arrives by itself proves less, because it may have been on its way for long.
   */
  get aliveAt(): number {
    return this.#aliveAt;
  }

  /**
   * How many bytes have arrived. On a cluster, this counts all nodes: the watchdog replaces the connection to a node that does not answer,
   * so commands do not wait for that node for long.
   */
  get #received(): number {
    const client = this.client as RedisClient;
    if (!isCluster(client)) return client.stream?.bytesRead ?? 0;
    let sum = 0;
    for (const { stream } of client.nodes()) sum += stream?.bytesRead ?? 0;
    return sum;
  }

  listen(listener: ConnectionListener): void {
    this.#listeners.add(listener);
  }

  /**
   * Resolves when the server takes commands.
   *
   * @param isPatient - Whether a failure may be temporary, so that the client tries again until the time is over.
   * @throws {@link RedisConnectionError}
   */
  async open(timeoutMs: number, isPatient: boolean): Promise<void> {
    const { client } = this;
    try {
      if (client.status === 'end') throw new Error('the client has ended');
      const ready = this.run(() => done, timeoutMs);
      // A client of the application may be connecting or connected already.
      const connecting = client.status === 'wait' ? client.connect() : ready;
      connecting.catch(() => {});
      // The client does not give up a server that accepts the connection and then does not answer.
      await (isPatient ? ready : Promise.race([connecting, ready]));
      this.#isOpened = true;
      this.#lastError = undefined;
    } catch (error) {
      throw this.failure(error);
    }
  }

  get isOpened(): boolean {
    return this.#isOpened;
  }

  /**
   * Sends a command as soon as the connection works, and returns its answer.
   *
   * @throws {@link RedisConnectionError} if nothing arrives from the server for `timeoutMs`, or if the connection is lost.
   */
  run<T>(command: (client: Redis) => Promise<T>, timeoutMs: number): Promise<T> {
    return this.#run(command, timeoutMs, false);
  }

  /** As `run`, but the time ends even if data arrives. */
  runWithin<T>(timeoutMs: number, command: (client: Redis) => Promise<T>): Promise<T> {
    return this.#run(command, timeoutMs, true);
  }

  /**
   * Resolves if the server answers within this time, or sends other data meanwhile: the answer may have to wait behind a large one.
   *
   * @throws {@link RedisConnectionError}
   */
  async probe(timeoutMs: number): Promise<void> {
    const received = this.#received;
    try {
      await this.runWithin(timeoutMs, (client) => client.ping());
    } catch (error) {
      if (isAnswer(error) || !this.isReady || this.#received <= received) throw error;
    }
  }

  #run<T>(command: (client: Redis) => Promise<T>, timeoutMs: number, isStrict: boolean): Promise<T> {
    if (this.#isClosed) return Promise.reject(this.failure(new Error('the connection is closed')));
    return this.#commands.run(command, timeoutMs, this.takesCommands, isStrict);
  }

  readonly #alive = (since: number): void => {
    this.#aliveAt = Math.max(this.#aliveAt, since);
  };

  /** The typed error for a connection that does not work. */
  failure(error: unknown): RedisConnectionError {
    if (error instanceof RedisConnectionError) return error;
    const cause = this.#lastError ?? error;
    const hint = connectionAdvice(cause, this.#usesTls, this.#isOpened);
    return new RedisConnectionError(`No connection to Redis (${this.#role}): ${messageOf(cause)}. ${hint}`, {
      cause: withoutArguments(cause),
    });
  }

  get #usesTls(): boolean {
    const client = this.client as RedisClient;
    const options = isCluster(client) ? client.options.redisOptions : client.options;
    return options?.tls !== undefined;
  }

  /** Closes the connection at once. Commands that wait are rejected. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { client } = this;
    const nodes = nodesOf(client);
    client.off('close', this.#onClose);
    client.off('ready', this.#onReady);
    client.off('end', this.#onEnd);
    this.#watch?.stop();
    if (this.#isOwn) {
      // The listener for errors stays: an error without a listener would end the process.
      client.disconnect();
      // A server that has stopped answering would not close its side.
      for (const node of nodes) node.stream?.destroy();
    } else {
      client.off('error', this.#onError);
    }
    this.#commands.failAll(new Error('the connection is closed'));
    this.#commands.stop();
  }

  /** Replaces a connection that has stopped answering. */
  reconnect(): void {
    if (this.#isClosed) return;
    this.client.disconnect(true);
    for (const node of nodesOf(this.client)) node.stream?.destroy();
  }

  /** Replaces the connection from now on if its server stops answering, or becomes a replica. */
  watch(everyMs: number, question: ConnectionWatchOptions['question']): void {
    if (this.#isClosed) return;
    const [role, logger, onAnswer] = [this.#role, this.#logger, this.#alive];
    this.#watch = new ConnectionWatch(this.client, { role, logger, everyMs, question, onAnswer });
  }

  readonly #onError = (error: unknown): void => {
    this.#lastError = withoutArguments(error);
    this.#logger.debug?.('a Redis connection has an error', {
      connection: this.#role,
      error: messageOf(error),
    });
    // A later attempt would fail, too.
    if (!this.#isOpened && isRefusal(error)) this.#commands.failAll(error);
  };

  readonly #onEnd = (): void => {
    if (!this.#isOpened) this.#commands.failAll(new Error('the client has given up'));
  };

  readonly #onNodeLost = (node: string): void => {
    if (this.#isClosed || !this.#isOpened) return;
    this.#logger.warn('the connection to a node of a Redis cluster was lost', {
      connection: this.#role,
      node,
    });
    // The client rejects commands that were on their way to that node.
    for (const listener of this.#listeners) listener.onRestored?.();
  };

  readonly #onClose = (): void => {
    this.#commands.failSent(this.#lastError ?? new Error('the connection was lost'));
    if (this.#isLost || !this.#isOpened) return;
    this.#isLost = true;
    this.#logger.warn('a Redis connection was lost', {
      connection: this.#role,
      error: this.#lastError === undefined ? undefined : messageOf(this.#lastError),
    });
    for (const listener of this.#listeners) listener.onLost?.();
  };

  readonly #onReady = (): void => {
    if (this.#isLost) this.#restored();
    this.#commands.sendWaiting();
  };

  #restored(): void {
    this.#isLost = false;
    this.#reconnects++;
    this.#lastError = undefined;
    this.#logger.warn('a Redis connection was restored', { connection: this.#role });
    for (const listener of this.#listeners) listener.onRestored?.();
  }
}
