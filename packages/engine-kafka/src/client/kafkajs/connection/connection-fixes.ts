import type { Socket } from 'node:net';
import { settlesWithin } from '@polybus/core/engine-kit';
import kafkajs from 'kafkajs';
import { firstAnswerMs, watchAnswers } from '../../protocol/answer-watch.ts';
import { type Login, withBearerLogin } from './bearer-login.ts';

/** The connections of kafkajs to a broker, which its types leave out. */
export interface ConnectionPool {
  readonly pool: readonly Connection[];
}

interface Connection {
  readonly requestQueue: RequestQueue;
  sasl: Login | null | undefined;
  socket?: Socket;
  /** The received part of an answer, and the bytes that are needed to continue. */
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  isConnected(): boolean;
  connect(): Promise<unknown>;
  disconnect(): Promise<unknown>;
  rejectRequests(error: Error): void;
  processData(bytes: Buffer): void;
}

interface SocketRequest {
  readonly requestTimeout: number;
  readonly entry: { readonly apiKey: number };
}

interface RequestQueue {
  requestTimeout: number;
  readonly maxInFlightRequests: number | null;
  readonly pending: readonly unknown[];
  /** Requests without an answer, in the order of sending, which is the order of the answers. */
  readonly inflight: ReadonlyMap<number, SocketRequest>;
  throttledUntil: number;
  throttleCheckTimeoutId: unknown;
  requestTimeoutIntervalId?: NodeJS.Timeout;
  maybeThrottle(ms: number | null | undefined): void;
  canSendSocketRequestImmediately(): boolean;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
  scheduleRequestTimeoutCheck(): void;
  waitForPendingRequests(): Promise<void>;
  rejectAll(error: Error): void;
  destroy(): void;
}

/** The size of the length field before each answer. */
const lengthBytes = 4;
/** As in kafkajs. */
const pendingCheckMs = 10;
const apiVersions = 18;
/** How long a connection that is closed waits for answers, in milliseconds. */
const lastAnswersMs = 1000;

/**
 * Fixes faults of kafkajs 2.2.4 that keep a connection from working after an error; kafkajs has no maintainer to release a fix. Only
 * the engine's connections are changed, not those that the user's code makes with the same `Kafka`.
 *
 * @param answerMs - How long an answer may take, unless its request says more.
 */
export function correctConnections({ pool }: ConnectionPool, answerMs: number): void {
  for (const connection of pool) {
    connection.sasl = withBearerLogin(connection.sasl);
    correctSockets(connection);
    correctQueue(connection.requestQueue);
    correctEnd(connection.requestQueue);
    correctTimeouts(connection, answerMs);
  }
}

/**
 * If a socket is lost, kafkajs keeps the received part of an answer, and takes the data of the next socket for the rest of it. It
 * goes on listening to the old socket, and opens two sockets if two requests need one. A request that is sent while a socket ends
 * waits forever. Malformed data ends the process.
 */
function correctSockets(connection: Connection): void {
  const connect = connection.connect.bind(connection);
  const disconnect = connection.disconnect.bind(connection);
  const process = connection.processData.bind(connection);
  const rejectRequests = connection.rejectRequests.bind(connection);
  let connecting: Promise<unknown> | undefined;
  let ended: Socket | undefined;

  const begin = (): Promise<unknown> => {
    abandon(connection.socket);
    connection.chunks = [];
    connection.bytesBuffered = 0;
    connection.bytesNeeded = lengthBytes;
    connection.rejectRequests(closed());
    return new Promise((resolve, reject) => {
      connect().then(resolve, reject);
      const { socket } = connection;
      if (socket !== undefined) ignoreLateUnref(socket);
      socket?.once('close', () => {
        reject(closed());
        if (connection.socket !== socket) return;
        connection.rejectRequests(closed());
        if (connection.isConnected()) void connection.disconnect();
      });
    });
  };

  connection.connect = () => {
    if (connecting === undefined && connection.isConnected()) return Promise.resolve(true);
    return (connecting ??= begin().finally(() => (connecting = undefined)));
  };
  // kafkajs has an error of its own for a broker that closes the connection, and tries no other broker after it.
  connection.rejectRequests = (error) =>
    rejectRequests(error.name === 'KafkaJSConnectionClosedError' ? closed() : error);
  connection.processData = (bytes) => {
    try {
      process(bytes);
    } catch (error) {
      connection.socket?.destroy(new Error('the broker sent a malformed answer', { cause: error }));
    }
  };
  connection.disconnect = async () => {
    const { socket } = connection;
    await disconnect();
    // Once per socket: each call adds a listener that a lost socket never removes.
    if (socket !== ended) socket?.destroySoon();
    ended = socket;
    return true;
  };
}

/** kafkajs unrefs a dead socket at each failure. Node would add a listener each time, for when the socket is connected. */
function ignoreLateUnref(socket: Socket): void {
  const unref = socket.unref.bind(socket);
  socket.unref = () => (socket.destroyed ? socket : unref());
}

function abandon(socket: Socket | undefined): void {
  if (socket === undefined) return;
  for (const event of ['data', 'end', 'error', 'timeout']) socket.removeAllListeners(event);
  socket.on('error', () => {});
  socket.destroy();
}

/** kafkajs recognizes the error by its name, and tries another broker. */
function closed(): Error {
  return new kafkajs.KafkaJSConnectionError('Connection closed');
}

/**
 * After each answer, kafkajs schedules a check of waiting requests even if there are none, and then with a negative delay: Node 24
 * prints a warning (tulios/kafkajs#1751), and each connection wakes up every millisecond (tulios/kafkajs#1704). This is the fix
 * of tulios/kafkajs#1768: nothing is scheduled if no request waits. In addition, throttling does not depend on the wall clock.
 */
function correctQueue(queue: RequestQueue): void {
  queue.maybeThrottle = (ms) => {
    if (typeof ms === 'number' && ms > 0)
      queue.throttledUntil = Math.max(performance.now() + ms, queue.throttledUntil);
  };
  queue.canSendSocketRequestImmediately = () =>
    queue.throttledUntil <= performance.now() &&
    (queue.maxInFlightRequests === null || queue.inflight.size < queue.maxInFlightRequests);
  queue.scheduleCheckPendingRequests = () => {
    if (queue.throttleCheckTimeoutId !== null || queue.pending.length === 0) return;
    const throttledFor = queue.throttledUntil - performance.now();
    queue.throttleCheckTimeoutId = setTimeout(
      () => {
        queue.throttleCheckTimeoutId = null;
        queue.checkPendingRequests();
      },
      throttledFor > 0 ? throttledFor : pendingCheckMs,
    );
  };
}

/**
 * Before it closes a connection, kafkajs waits for answers, and waits forever if the socket ends before they come. Until then it
 * looks up no topics: it closes the connection to a broker that is missing from the metadata while it looks them up.
 */
function correctEnd(queue: RequestQueue): void {
  const wait = queue.waitForPendingRequests.bind(queue);
  queue.waitForPendingRequests = async () => {
    if (!(await settlesWithin(wait(), lastAnswersMs))) queue.rejectAll(closed());
  };
}

/**
 * kafkajs gives up on a request without an answer by the wall clock, and goes on using the connection. Here a connection that
 * receives nothing for as long as its oldest request may take is closed, and all its requests fail.
 */
function correctTimeouts(connection: Connection, answerMs: number): void {
  const queue = connection.requestQueue;
  queue.requestTimeout = Math.min(queue.requestTimeout, answerMs);
  queue.scheduleRequestTimeoutCheck = () => {
    queue.destroy();
    const oldest = (): SocketRequest | undefined => queue.inflight.values().next().value;
    const watch = watchAnswers(connection.socket, oldest, limitOf);
    queue.requestTimeoutIntervalId = watch;
    connection.socket?.once('close', () => clearInterval(watch));
  };
}

function limitOf({ requestTimeout, entry }: SocketRequest): number {
  return entry.apiKey === apiVersions ? Math.min(requestTimeout, firstAnswerMs) : requestTimeout;
}
