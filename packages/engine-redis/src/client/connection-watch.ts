import type { Logger } from '@polybus/core';
import type { Redis } from 'ioredis';
import { isError } from '../errors.ts';
import { type RedisClient, isCluster } from '../options/options.ts';
import { nodesOf } from './cluster-nodes.ts';
import { Watchdog } from './watchdog.ts';

/** What a watch does, and when. */
export interface ConnectionWatchOptions {
  /** The name of the connection in the log. */
  readonly role: string;
  readonly logger: Logger;
  readonly everyMs: number;
  /**
   * The command that asks the server for an answer: ROLE also finds a replica, which refuses other commands than PUBLISH. Undefined for a
   * connection with blocking reads, behind which the server does not answer.
   */
  readonly question: 'ping' | 'role' | undefined;
  /** @param since - When the command was sent that the server has answered, by `performance.now()`. */
  readonly onAnswer: (since: number) => void;
}

/**
 * Replaces a connection if the server has not answered for a time; on a cluster, the connection to that node. Also replaces a connection
 * that has existed for this time if its server has become a replica: a new connection may reach the new primary.
 */
export class ConnectionWatch {
  readonly #options: ConnectionWatchOptions;
  readonly #watchdog: Watchdog;
  /** When the connection last became ready, by `performance.now()`. */
  #readyAt = performance.now();
  /** The connection has reached a primary at some time. */
  #hadPrimary = false;

  constructor(client: RedisClient, options: ConnectionWatchOptions) {
    this.#options = options;
    const { everyMs, question, onAnswer } = options;
    // A cluster tells its client which node is the primary.
    if (!isCluster(client)) {
      client.on('ready', () => (this.#readyAt = performance.now()));
      client.options.reconnectOnError ??= (error) =>
        isError(error, 'READONLY') && performance.now() - this.#readyAt >= everyMs;
    }
    // A cluster passes on what is published to a replica.
    const ask = question === 'role' && !isCluster(client) ? this.#askRole : (of: Redis) => of.ping();
    this.#watchdog = new Watchdog(() => nodesOf(client), {
      everyMs,
      ask: question && ask,
      onSilent: this.#onSilent,
      onAnswer,
    });
  }

  stop(): void {
    this.#watchdog.stop();
  }

  readonly #onSilent = (client: Redis): void => {
    this.#warn('a Redis connection has stopped answering and is replaced');
    client.disconnect(true);
    client.stream?.destroy();
  };

  /** A server that was a replica from the start was chosen by the application. */
  readonly #askRole = async (client: Redis): Promise<void> => {
    const [role] = await client.role();
    if (role === 'master') this.#hadPrimary = true;
    else if (this.#hadPrimary) {
      this.#warn('the server of a Redis connection has become a replica; the connection is replaced');
      client.disconnect(true);
    }
  };

  #warn(message: string): void {
    this.#options.logger.warn(message, { connection: this.#options.role });
  }
}
