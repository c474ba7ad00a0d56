import type { Socket } from 'node:net';
import kafkajs from 'kafkajs';

/** What kafkajs's types leave out of the connections to a broker. */
export interface ConnectionPool {
  readonly pool: readonly Connection[];
}

interface Connection {
  readonly requestQueue: RequestQueue;
  socket?: Socket;
  /** The part of an answer that has come, and how much has to be there to go on. */
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  isConnected(): boolean;
  connect(): Promise<unknown>;
  disconnect(): Promise<unknown>;
  rejectRequests(error: Error): void;
  processData(bytes: Buffer): void;
}

interface RequestQueue {
  requestTimeout: number;
  readonly maxInFlightRequests: number | null;
  readonly pending: readonly unknown[];
  /** Requests that have no answer, in the order in which they left, which is that of their answers. */
  readonly inflight: ReadonlyMap<number, { readonly requestTimeout: number }>;
  throttledUntil: number;
  throttleCheckTimeoutId: unknown;
  requestTimeoutIntervalId?: NodeJS.Timeout;
  maybeThrottle(ms: number | null | undefined): void;
  canSendSocketRequestImmediately(): boolean;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
  scheduleRequestTimeoutCheck(): void;
  destroy(): void;
}

/** Of the length that is before each answer. */
const lengthBytes = 4;
/** As in kafkajs. */
const pendingCheckMs = 10;
const answerCheckMs = 100;
/** The process stood still between two checks that are further apart: answers may have come that nobody has read. */
const standstillMs = 1000;

/**
 * Corrects what keeps a connection of kafkajs 2.2.4 from working after a fault. kafkajs has no maintainer to release that. It
 * changes these connections alone, not those that a user's own code makes with the same `Kafka`.
 *
 * @param answerMs - How long an answer may take, if its request does not say more.
 */
export function correctConnections({ pool }: ConnectionPool, answerMs: number): void {
  for (const connection of pool) {
    correctSockets(connection);
    correctQueue(connection.requestQueue);
    correctTimeouts(connection, answerMs);
  }
}

/**
 * kafkajs keeps the part of an answer that had come when a socket was lost, and takes what the next socket brings for the rest
 * of it. It listens to the socket before, too, and opens two where two requests need one. What was asked while a socket ended
 * waits for ever. Bytes that are no answer end the process.
 */
function correctSockets(connection: Connection): void {
  const connect = connection.connect.bind(connection);
  const disconnect = connection.disconnect.bind(connection);
  const process = connection.processData.bind(connection);
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
      if (socket !== undefined) letGo(socket);
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
  connection.processData = (bytes) => {
    try {
      process(bytes);
    } catch (error) {
      connection.socket?.destroy(new Error('what the broker sent is no answer', { cause: error }));
    }
  };
  connection.disconnect = async () => {
    const { socket } = connection;
    await disconnect();
    // Once: each time it listens for the end of what was written, and one that is lost has no such end.
    if (socket !== ended) socket?.destroySoon();
    ended = socket;
    return true;
  };
}

/** kafkajs lets go of a dead socket at each failure; Node notes each time that it should be let go of once it is connected. */
function letGo(socket: Socket): void {
  const unref = socket.unref.bind(socket);
  socket.unref = () => (socket.destroyed ? socket : unref());
}

function abandon(socket: Socket | undefined): void {
  if (socket === undefined) return;
  for (const event of ['data', 'end', 'error', 'timeout']) socket.removeAllListeners(event);
  socket.on('error', () => {});
  socket.destroy();
}

/** By its name kafkajs looks for another broker. */
function closed(): Error {
  return new kafkajs.KafkaJSConnectionError('Connection closed');
}

/**
 * After each answer kafkajs schedules a look at the requests that wait, also where none does, and then with a negative time:
 * Node 24 warns of it (tulios/kafkajs#1751), and each connection wakes up every millisecond for ever (tulios/kafkajs#1704). The
 * fix that is proposed there, tulios/kafkajs#1768, is made here: there is nothing to schedule where no request waits. How long a
 * broker is left alone that asks for it does not depend on the wall clock here.
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
 * kafkajs gives up on a request that gets no answer, by the wall clock, and asks on over the same connection. Here a connection
 * that brings nothing for as long as the oldest request may take is given up, with all that was asked over it.
 */
function correctTimeouts(connection: Connection, answerMs: number): void {
  const queue = connection.requestQueue;
  queue.requestTimeout = Math.min(queue.requestTimeout, answerMs);
  queue.scheduleRequestTimeoutCheck = () => {
    queue.destroy();
    const { socket } = connection;
    let oldest: unknown;
    let bytesRead = 0;
    let [since, checkedAt] = [0, performance.now()];
    queue.requestTimeoutIntervalId = setInterval(() => {
      const now = performance.now();
      const [first] = queue.inflight.values();
      const isStandstill = now - checkedAt > standstillMs;
      checkedAt = now;
      if (first !== oldest || socket?.bytesRead !== bytesRead || isStandstill) {
        oldest = first;
        bytesRead = socket?.bytesRead ?? 0;
        since = now;
      } else if (first !== undefined && now - since > first.requestTimeout) {
        // With an error: only that makes kafkajs give up on what it waits for.
        socket?.destroy(new Error(`the broker has not answered for ${first.requestTimeout} ms`));
      }
      if (!connection.isConnected()) queue.destroy();
    }, answerCheckMs);
  };
}
