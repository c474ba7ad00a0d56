import { isIP } from 'node:net';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Connection } from '@platformatic/kafka';
import type { SASLOptions } from 'kafkajs';
import { KafkaFailure } from '../failure.ts';
import { firstAnswerMs, watchAnswers } from '../protocol/answer-watch.ts';
import { loginOf } from './login.ts';
import type { Package } from './package.ts';

export interface ConnectionOptions {
  readonly clientId: string;
  readonly ssl: boolean | TlsOptions | undefined;
  readonly sasl: SASLOptions | undefined;
  /** How long opening a connection may take, in milliseconds. */
  readonly connectMs: number;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A request of the package: one version of one of Kafka's requests. */
export interface Api<A extends unknown[], R> {
  readonly createRequest: (...args: A) => Payload;
  readonly parseResponse: Parser<R>;
  readonly api: { readonly key: number; readonly version: number };
}

export type Payload = ReturnType<Package['Writer']['create']>;
type Reader = ReturnType<Package['Reader']['from']>;
export type Parser<R> = (correlation: number, key: number, version: number, reader: Reader) => R | Promise<R>;

const keepAliveMs = 60_000;
/** The package's own limit, which would misread the answers after a late one: `watchAnswers` ends the connection instead. */
const noLimitMs = 2 ** 31 - 1;
/** Version 1 of the package numbers requests without an end, and cannot send one with a number of more than 31 bits. */
const maxRequests = 2 ** 30;

/** A connection to one broker that is opened with the first request, and again after it has ended. */
export class BrokerConnection {
  readonly #package: Package;
  readonly #options: ConnectionOptions;
  readonly #address: Address;
  readonly #answerMs: number;
  readonly #opened = new Set<Opened>();
  #current: Promise<Opened> | undefined;
  #ended: Error | undefined;

  /** @param answerMs - How long an answer may take, unless its request says more. */
  constructor(from: Package, options: ConnectionOptions, address: Address, answerMs: number) {
    this.#package = from;
    this.#options = options;
    this.#address = address;
    this.#answerMs = answerMs;
  }

  get answerMs(): number {
    return this.#answerMs;
  }

  /** Sends a request of the package. */
  ask<A extends unknown[], R>(api: Api<A, R>, ...args: A): Promise<R> {
    return this.send(api, () => api.createRequest(...args), api.parseResponse);
  }

  /** Sends a request of a version of the package, with another payload or another parser. */
  async send<R>(
    { api }: Pick<Api<never[], unknown>, 'api'>,
    payload: () => Payload,
    parser: Parser<R>,
    answerMs: number = this.#answerMs,
  ): Promise<R> {
    const opened = await this.#open();
    opened.assertOffered(api);
    return opened.send(api, payload, parser, answerMs);
  }

  /** Ends the connection at once. Later requests fail. */
  end(error: Error): void {
    this.#ended ??= error;
    for (const opened of this.#opened) opened.destroy(error);
  }

  #open(): Promise<Opened> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return (this.#current ??= this.#connect());
  }

  #connect(): Promise<Opened> {
    const { host } = this.#address;
    const { clientId, connectMs, ssl, sasl } = this.#options;
    const tls = ssl === true ? {} : ssl === false ? undefined : ssl;
    const serverName = tls?.servername ?? (isIP(host) === 0 ? host : undefined);
    const connection = new this.#package.Connection(clientId, {
      connectTimeout: connectMs,
      requestTimeout: noLimitMs,
      maxInflights: Number.MAX_SAFE_INTEGER,
      ...(tls === undefined ? {} : { tls }),
      ...(tls === undefined || serverName === undefined ? {} : { tlsServerName: serverName }),
      ...(sasl === undefined ? {} : { sasl: loginOf(this.#package, sasl) }),
    });
    const opened = new Opened(connection, {
      onEnd: () => {
        if (this.#current === connecting) this.#current = undefined;
      },
      onClose: () => this.#opened.delete(opened),
    });
    this.#opened.add(opened);
    const connecting = this.#begin(opened).catch((error: unknown) => {
      opened.destroy(error as Error);
      throw error;
    });
    return connecting;
  }

  async #begin(opened: Opened): Promise<Opened> {
    await opened.connect(this.#address);
    const { apiVersionsV3 } = this.#package;
    const limitMs = Math.min(firstAnswerMs, this.#answerMs);
    const { apiKeys } = await opened.send(
      apiVersionsV3.api,
      () => apiVersionsV3.createRequest('polybus', '1'),
      apiVersionsV3.parseResponse,
      limitMs,
      false,
    );
    opened.offered = new Map(apiKeys.map((range) => [range.apiKey, range]));
    const { fetchV12, offsetFetchV8, findCoordinatorV4 } = this.#package;
    for (const { api } of [fetchV12, offsetFetchV8, findCoordinatorV4]) opened.assertOffered(api);
    return opened;
  }
}

interface Versions {
  readonly minVersion: number;
  readonly maxVersion: number;
}

interface Waiting {
  readonly answerMs: number;
}

interface OpenedListener {
  /** No further request may be sent. */
  onEnd(): void;
  /** The socket has closed. */
  onClose(): void;
}

/** A connection of the package that is open, or opens. */
class Opened {
  /** The versions of each request that the broker offers. */
  offered: ReadonlyMap<number, Versions> = new Map();
  readonly #connection: Connection;
  readonly #listener: OpenedListener;
  readonly #waiting = new Set<Waiting>();
  #watch: NodeJS.Timeout | undefined;
  #requests = 0;
  #isRetired = false;
  /** Why it ended, which the package does not give to its requests. */
  #failure: Error | undefined;

  constructor(connection: Connection, listener: OpenedListener) {
    this.#connection = connection;
    this.#listener = listener;
    connection.on('error', (error) => (this.#failure ??= error));
    // Clears a timer of the package for the next login.
    connection.on('close', () => void connection.close());
    // A broker ends a connection that sends requests while it logs in again. A new connection is used instead.
    connection.reauthenticate = () => this.#retire();
  }

  async connect({ host, port }: Address): Promise<void> {
    const connecting = this.#connection.connect(host, port);
    const { socket } = this.#connection;
    socket.on('error', () => {});
    socket.on('close', () => this.#end());
    await connecting;
    socket.setKeepAlive(true, keepAliveMs);
    this.#watch = watchAnswers(
      socket,
      () => this.#waiting.values().next().value,
      ({ answerMs }) => answerMs,
    );
    // It may have closed in this turn.
    if (socket.destroyed) clearInterval(this.#watch);
  }

  /**
   * The versions of the requests are fixed: those that both major versions of the package have.
   *
   * @throws {@link KafkaFailure} if the broker does not offer this one.
   */
  assertOffered({ key, version }: Api<never[], unknown>['api']): void {
    const range = this.offered.get(key);
    if (range !== undefined && range.minVersion <= version && range.maxVersion >= version) return;
    throw new KafkaFailure(
      'lasting',
      `the broker does not offer version ${version} of request ${key}; the client 'platformatic' needs Kafka 3.0 or later`,
      undefined,
    );
  }

  async send<R>(
    { key, version }: { readonly key: number; readonly version: number },
    payload: () => Payload,
    parser: Parser<R>,
    answerMs: number,
    hasTags = true,
  ): Promise<R> {
    const waiting: Waiting = { answerMs };
    this.#waiting.add(waiting);
    if (++this.#requests >= maxRequests) this.#retire();
    try {
      return await new Promise<R>((resolve, reject) => {
        const settle = (error: Error | null, answer?: R): void =>
          error === null ? resolve(answer as R) : reject(error);
        this.#connection.send(key, version, payload, parser, true, hasTags, settle);
      });
    } catch (error) {
      throw isNetworkError(error) ? (this.#failure ?? error) : error;
    } finally {
      this.#waiting.delete(waiting);
      if (this.#isRetired && this.#waiting.size === 0) this.destroy(new Error('the connection was replaced'));
    }
  }

  /** Ends the connection after its last answer. */
  #retire(): void {
    this.#isRetired = true;
    this.#listener.onEnd();
    if (this.#waiting.size === 0) this.destroy(new Error('the connection was replaced'));
  }

  destroy(error: Error): void {
    this.#listener.onEnd();
    const { socket } = this.#connection;
    // With an error, because the package otherwise goes on waiting for the connection.
    if (socket === undefined) this.#listener.onClose();
    else socket.destroy(error);
  }

  #end(): void {
    clearInterval(this.#watch);
    this.#listener.onEnd();
    this.#listener.onClose();
  }
}

function isNetworkError(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'PLT_KFK_NETWORK';
}
