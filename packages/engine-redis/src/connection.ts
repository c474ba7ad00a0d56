import type { Logger } from '@polybus/core';
import type { Redis } from 'ioredis';
import { RedisConnectionError, isRefusal, messageOf, withoutArguments } from './errors.ts';
import { type RedisClient, isCluster } from './options.ts';

/** How long a client that was given may take until it is ready, in milliseconds. */
const openTimeoutMs = 10_000;

/** A command that waits for the connection, or for its answer. */
interface Wait {
  isSent: boolean;
  readonly send: () => void;
  readonly fail: (error: unknown) => void;
}

/** What a connection tells its transport. */
export interface ConnectionListener {
  /** Commands that were on their way will get no answer. */
  onLost?(): void;
  /** It works again after it was lost. Called before anything is sent that waited for it. */
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
  #isOpened = false;
  #isClosed = false;
  #isLost = false;
  #reconnects = 0;
  #lastError: unknown;

  constructor(role: string, client: RedisClient, isOwn: boolean, logger: Logger) {
    this.#role = role;
    this.client = client as Redis;
    this.#isOwn = isOwn;
    this.#logger = logger;
    client.on('error', this.#onError);
    client.on('close', this.#onClose);
    client.on('ready', this.#onReady);
  }

  get isReady(): boolean {
    return this.client.status === 'ready';
  }

  get lastError(): unknown {
    return this.#lastError;
  }

  get state(): ConnectionState {
    const { status } = this.client;
    const about = { status, reconnects: this.#reconnects };
    return this.#lastError === undefined ? about : { ...about, lastError: messageOf(this.#lastError) };
  }

  listen(listener: ConnectionListener): void {
    this.#listeners.add(listener);
  }

  /**
   * Resolves when the server takes commands.
   *
   * @throws {@link RedisConnectionError}
   */
  async open(): Promise<void> {
    try {
      // A client that was given may be connecting, or connected, already.
      if (this.client.status === 'wait') await this.client.connect();
      else if (!this.isReady) await this.run(() => Promise.resolve(), openTimeoutMs);
      this.#isOpened = true;
      this.#lastError = undefined;
    } catch (error) {
      throw this.failure(error);
    }
  }

  /**
   * What a command answers, once the connection works.
   *
   * @throws {@link RedisConnectionError} where that takes longer than the time it may take, or the connection is lost.
   */
  run<T>(command: (client: Redis) => Promise<T>, timeoutMs: number): Promise<T> {
    // By hand, and not with races of promises: each read and each acknowledgement passes here.
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waits.delete(wait);
      };
      const fail = (error: unknown): void => {
        end();
        reject(isReply(error) ? (withoutArguments(error) as Error) : this.failure(error));
      };
      const send = (): void => {
        wait.isSent = true;
        command(this.client).then((answer) => {
          end();
          resolve(answer);
        }, fail);
      };
      const wait: Wait = { isSent: false, send, fail };
      const timer = setTimeout(() => fail(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
      this.#waits.add(wait);
      if (this.#isClosed) fail(new Error('the connection is closed'));
      else if (this.isReady) send();
    });
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
    if (this.#isOwn) {
      // Its listener for errors stays: an error without one would end the process.
      client.disconnect();
      // A server that has stopped answering would not close its side.
      for (const one of nodes) one.stream?.destroy();
    } else {
      client.off('error', this.#onError);
    }
    for (const { fail } of this.#waits) fail(new Error('the connection is closed'));
  }

  /** Drops the connection and makes another: for one that has stopped answering. */
  reconnect(): void {
    if (this.#isClosed) return;
    this.client.disconnect(true);
    for (const one of this.#nodes()) one.stream?.destroy();
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
  };

  readonly #onClose = (): void => {
    // What was not sent yet goes on waiting for the next connection.
    const lost = this.#lastError ?? new Error('the connection was lost');
    for (const { isSent, fail } of this.#waits) if (isSent) fail(lost);
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
    for (const { isSent, send } of this.#waits) if (!isSent) send();
  };

  #restored(): void {
    this.#isLost = false;
    this.#reconnects++;
    this.#lastError = undefined;
    this.#logger.warn('a Redis connection was restored', { connection: this.#role });
    for (const listener of this.#listeners) listener.onRestored?.();
  }
}

/** True for what the server answered; false for what the client found out about the connection. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && !isRefusal(error);
}
