// Loaded before kinesis-local (node --import), for two things that it has no setting for.
import { readFileSync, rmSync } from 'node:fs';
import { Server } from 'node:net';
import { join } from 'node:path';

const servers = new Set();
const sockets = new Set();

// It listens on every interface of the machine. A test's broker is nobody else's business: loopback only.
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

// After SIGTERM it waits for requests and connections, writes its data, and ends; or, if it is asked for something at that moment, it
// waits for ever and writes nothing. So it is ended by SIGUSR2: nobody gets an answer any more, and then the timer by which it writes
// its data is brought forward. When it sets that timer again, the data is written; or could not be, which only its log tells. Then the end
// is an error.
const dataFile = join(process.env['PERSIST_PATH'], process.env['PERSIST_FILE_NAME']);
const persistIntervalMs = Number.parseInt(process.env['PERSIST_INTERVAL'], 10);
const setTimer = globalThis.setTimeout;
// It puts one of its own in this place, which does not exit.
const exit = process.exit.bind(process);
/** What the timer is to do; undefined while the data is being written. */
let persist;
/** How many writes are to begin before the end. */
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
    // What it wrote at an earlier end must not pass for what it writes now.
    rmSync(dataFile, { force: true });
  } catch {
    // Then it cannot be written either.
  }
  for (const server of servers) server.close();
  for (const socket of sockets) socket.destroy();
  writes = 1;
  if (persist !== undefined) writeOrEnd();
});
