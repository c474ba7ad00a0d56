import type { Logger } from '@polybus/core';
import type { Redis } from 'ioredis';
import { watchNodes } from './cluster-nodes.ts';
import { Deadlines } from './deadlines.ts';
import { RedisConnectionError, isError, isRefusal, isReply, messageOf, withoutArguments } from '../errors.ts';
import { type RedisClient, isCluster } from '../options/options.ts';
import { Watchdog } from './watchdog.ts';

const done = Promise.resolve();

/** A command that waits for the connection, or for its answer. */
interface Wait {
  isSent: boolean;
  /** By `performance.now()`. */
  readonly until: number;
  readonly timeoutMs: number;
  readonly command: (client: Redis) => Promise<unknown>;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: unknown) => void;
}

/** What a connection tells its transport. */
export interface ConnectionListener {
  /** Commands that were on their way will get no answer. */
  onLost?(): void;
  /**
   * It works again after it was lost. Called before anything is sent that waited for it. On a cluster it is called for each
   * node that is lost, too, as the others go on.
   */
  onRestored?(): void;
}

/** What `health()` says about a connection. */
export interface ConnectionState {
  readonly status: string;
  readonly reconnects: number;
  readonly lastError?: string;
}

/**
 * One connection, for one purpose. It says when it is lost and restored, keeps the last error for messages, and closes
 * only what it opened.
 */
export class Connection {
  /** A `Redis` to the type checker: what is called on it, a `Cluster` has too. */
  readonly client: Redis;
  readonly #role: string;
  readonly #isOwn: boolean;
  readonly #logger: Logger;
  readonly #listeners = new Set<ConnectionListener>();
  readonly #waits = new Set<Wait>();
  readonly #deadlines = new Deadlines((now) => this.#endLate(now));
  #isOpened = false;
  #isClosed = false;
  #isLost = false;
  #reconnects = 0;
  #lastError: unknown;
  #aliveAt = performance.now();
  /** Since when it has worked without a break, by `performance.now()`. */
  #readyAt = performance.now();
  #watchdog: Watchdog | undefined;

  constructor(role: string, client: RedisClient, isOwn: boolean, logger: Logger) {
    this.#role = role;
    this.client = client as Redis;
    this.#isOwn = isOwn;
    this.#logger = logger;
    client.on('error', this.#onError);
    client.on('close', this.#onClose);
    client.on('ready', this.#onReady);
    client.on('end', this.#onEnd);
    if (isOwn && isCluster(client)) watchNodes(client, this.#onNodeLost);
  }

  get isReady(): boolean {
    return this.client.status === 'ready';
  }

  /** False, too, for one that is ending, which is ready to the client until it has ended. */
  get takesCommands(): boolean {
    const { stream } = this.client as Partial<Pick<Redis, 'stream'>>;
    return this.isReady && stream?.writable !== false;
  }

  get lastError(): unknown {
    return this.#lastError;
  }

  get state(): ConnectionState {
    const { status } = this.client;
    const about = { status, reconnects: this.#reconnects };
    return this.#lastError === undefined ? about : { ...about, lastError: messageOf(this.#lastError) };
  }

  /**
   * When the server was last asked for something that it has answered, by `performance.now()`: all that it sent before that has
   * arrived. What arrives by itself proves less, since it may have been on its way for long.
   */
  get aliveAt(): number {
    return this.#aliveAt;
  }

  listen(listener: ConnectionListener): void {
    this.#listeners.add(listener);
  }

  /**
   * Resolves when the server takes commands.
   *
   * @param isPatient - Whether a failure may pass, so that it is tried again for as long as there is time.
   * @throws {@link RedisConnectionError}
   */
  async open(timeoutMs: number, isPatient: boolean): Promise<void> {
    const { client } = this;
    try {
      if (client.status === 'end') throw new Error('the client has ended');
      const ready = this.run(() => done, timeoutMs);
      // A client that was given, or made elsewhere, may be connecting, or connected, already.
      const connecting = client.status === 'wait' ? client.connect() : ready;
      connecting.catch(() => {});
      // A server that accepts the connection and then says nothing is not given up by the client.
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
   * What a command answers, once the connection works.
   *
   * @throws {@link RedisConnectionError} where that takes longer than the time it may take, or the connection is lost.
   */
  run<T>(command: (client: Redis) => Promise<T>, timeoutMs: number): Promise<T> {
    // By hand, and not with races of promises: each read and each acknowledgement passes here.
    return new Promise((resolve, reject) => {
      const until = performance.now() + timeoutMs;
      const wait: Wait = { isSent: false, until, timeoutMs, command, resolve, reject };
      if (this.#isClosed) {
        this.#fail(wait, new Error('the connection is closed'));
        return;
      }
      this.#waits.add(wait);
      this.#deadlines.watch(until);
      if (this.takesCommands) this.#send(wait);
    });
  }

  #send(wait: Wait): void {
    wait.isSent = true;
    wait.command(this.client).then(
      (answer) => {
        this.#end(wait);
        this.#alive(wait.until - wait.timeoutMs);
        wait.resolve(answer as never);
      },
      (error: unknown) => this.#fail(wait, error),
    );
  }

  readonly #alive = (since: number): void => {
    this.#aliveAt = Math.max(this.#aliveAt, since);
  };

  #fail(wait: Wait, error: unknown): void {
    this.#end(wait);
    wait.reject(isReply(error) ? withoutArguments(error) : this.failure(error));
  }

  #end(wait: Wait): void {
    this.#waits.delete(wait);
    if (this.#waits.size === 0) this.#deadlines.rest();
  }

  /** Ends those that are late; returns when the next one will be. */
  #endLate(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const wait of this.#waits) {
      if (wait.until <= now) this.#fail(wait, new Error(`no answer in ${wait.timeoutMs} ms`));
      else next = Math.min(next, wait.until);
    }
    return next;
  }

  /** The typed error for a connection that does not work. */
  failure(error: unknown): RedisConnectionError {
    const cause = this.#lastError ?? error;
    const hint = isRefusal(cause)
      ? 'Check the user, the password, and what the server lets that user do.'
      : 'Check that the server runs, and that url, user and password are right.';
    return new RedisConnectionError(`No connection to Redis (${this.#role}): ${messageOf(cause)}. ${hint}`, {
      cause: withoutArguments(cause),
    });
  }

  /** Ends the connection at once; what it waits for gets no answer. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { client } = this;
    const nodes = this.#nodes();
    client.off('close', this.#onClose);
    client.off('ready', this.#onReady);
    client.off('end', this.#onEnd);
    this.#watchdog?.stop();
    if (this.#isOwn) {
      // Its listener for errors stays: an error without one would end the process.
      client.disconnect();
      // A server that has stopped answering would not close its side.
      for (const one of nodes) one.stream?.destroy();
    } else {
      client.off('error', this.#onError);
    }
    this.#failAll(new Error('the connection is closed'));
    this.#deadlines.stop();
  }

  /** Drops the connection and makes another: for one that has stopped answering. */
  reconnect(): void {
    if (this.#isClosed) return;
    this.client.disconnect(true);
    for (const one of this.#nodes()) one.stream?.destroy();
  }

  /**
   * Drops what has been silent for so long while it owed an answer. On a cluster that is one node. Drops a connection that has
   * been there for so long, too, if its server has become a replica: a new connection may reach the new primary.
   *
   * @param canAsk - Whether the server is asked to say something. Behind a blocking read it would not.
   */
  watch(everyMs: number, canAsk: boolean): void {
    const onSilent = (client: Redis): void => {
      this.#logger.warn('a Redis connection has stopped answering and is made again', {
        connection: this.#role,
      });
      client.disconnect(true);
      client.stream?.destroy();
    };
    if (this.#isClosed) return;
    // The client of a cluster is told where the primary is.
    if (!isCluster(this.client))
      this.client.options.reconnectOnError ??= (error) =>
        isError(error, 'READONLY') && performance.now() - this.#readyAt >= everyMs;
    const options = { everyMs, canAsk, onSilent, onAnswer: this.#alive };
    this.#watchdog = new Watchdog(() => this.#nodes(), options);
  }

  #nodes(): Redis[] {
    const client = this.client as RedisClient;
    return isCluster(client) ? client.nodes() : [client];
  }

  readonly #onError = (error: unknown): void => {
    this.#lastError = withoutArguments(error);
    this.#logger.debug?.('an error of a Redis connection', {
      connection: this.#role,
      error: messageOf(error),
    });
    // No later attempt will do better.
    if (!this.#isOpened && isRefusal(error)) this.#failAll(error);
  };

  readonly #onEnd = (): void => {
    if (!this.#isOpened) this.#failAll(new Error('the client has given up'));
  };

  #failAll(error: unknown): void {
    for (const wait of this.#waits) this.#fail(wait, error);
  }

  readonly #onNodeLost = (node: string): void => {
    if (this.#isClosed || !this.#isOpened) return;
    this.#logger.warn('the connection to a node of a Redis cluster was lost', {
      connection: this.#role,
      node,
    });
    // The client rejects what was on its way there.
    for (const listener of this.#listeners) listener.onRestored?.();
  };

  readonly #onClose = (): void => {
    // What was not sent yet goes on waiting for the next connection.
    const lost = this.#lastError ?? new Error('the connection was lost');
    for (const wait of this.#waits) if (wait.isSent) this.#fail(wait, lost);
    if (this.#isLost || !this.#isOpened) return;
    this.#isLost = true;
    this.#logger.warn('a Redis connection was lost', {
      connection: this.#role,
      error: this.#lastError === undefined ? undefined : messageOf(this.#lastError),
    });
    for (const listener of this.#listeners) listener.onLost?.();
  };

  readonly #onReady = (): void => {
    this.#readyAt = performance.now();
    if (this.#isLost) this.#restored();
    for (const wait of this.#waits) if (!wait.isSent) this.#send(wait);
  };

  #restored(): void {
    this.#isLost = false;
    this.#reconnects++;
    this.#lastError = undefined;
    this.#logger.warn('a Redis connection was restored', { connection: this.#role });
    for (const listener of this.#listeners) listener.onRestored?.();
  }
}
