// Loaded before kinesis-local (node --import), for three things for which it has no setting.
import { readFileSync, rmSync } from 'node:fs';
import { Server } from 'node:net';
import { join } from 'node:path';

const servers = new Set();
const sockets = new Set();

// By itself, it listens on every interface of the machine. A broker for tests must listen on loopback only.
const listen = Reflect.get(Server.prototype, 'listen');
Server.prototype.listen = function (port, ...rest) {
  servers.add(this);
  this.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return typeof port === 'number'
    ? listen.call(this, port, '127.0.0.1', ...rest)
    : listen.call(this, port, ...rest);
};

// A connection that its client reset before it was accepted has no remote address. By itself, kinesis-local closes its server at the first such
// connection, and the process runs on without it. On a busy machine, every client whose attempt times out resets one.
const emit = Reflect.get(Server.prototype, 'emit');
Server.prototype.emit = function (name, ...args) {
  const [socket] = args;
  if (name !== 'connection' || socket.remoteAddress !== undefined) return emit.call(this, name, ...args);
  socket.destroy();
  return true;
};

// After SIGTERM it waits for requests and connections, writes its data, and exits. If it gets a request at that moment, it waits forever
// and writes nothing. Therefore SIGUSR2 ends it: it answers no more requests, and the timer that writes its data fires early. When it sets
// that timer again, it has written the data or has failed to, which only its log reports. In the latter case it exits with an error.
const dataFile = join(process.env['PERSIST_PATH'], process.env['PERSIST_FILE_NAME']);
const persistIntervalMs = Number.parseInt(process.env['PERSIST_INTERVAL'], 10);
const setTimer = globalThis.setTimeout;
// It replaces this function with its own, which does not exit.
const exit = process.exit.bind(process);
/** The callback of the timer; undefined while the data is being written. */
let persist;
/** Number of writes that are still to begin before the exit. */
let writes = Number.POSITIVE_INFINITY;

globalThis.setTimeout = (callback, ms, ...args) => {
  if (ms !== persistIntervalMs) return setTimer(callback, ms, ...args);
  persist = callback;
  if (Number.isFinite(writes)) setImmediate(writeOrEnd);
  return setTimer(() => undefined, ms);
};

function writeOrEnd() {
  if (writes-- === 0) exit(isWritten() ? 0 : 1);
  const callback = persist;
  persist = undefined;
  callback();
}

function isWritten() {
  try {
    JSON.parse(readFileSync(dataFile, 'utf8'));
    return true;
  } catch {
    return false;
  }
}

process.once('SIGUSR2', () => {
  try {
    // The file of an earlier shutdown must not count as the file of this one.
    rmSync(dataFile, { force: true });
  } catch {
    // Then it cannot be written either.
  }
  for (const server of servers) server.close();
  for (const socket of sockets) socket.destroy();
  writes = 1;
  if (persist !== undefined) writeOrEnd();
});
