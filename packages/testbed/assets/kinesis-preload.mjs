// Loaded before kinesis-local (node --import), for two things that it has no setting for.
import { Server } from 'node:net';

// It listens on every interface of the machine. A test's broker is nobody else's business: loopback only.
const listen = Reflect.get(Server.prototype, 'listen');
Server.prototype.listen = function (port, ...rest) {
  return typeof port === 'number'
    ? listen.call(this, port, '127.0.0.1', ...rest)
    : listen.call(this, port, ...rest);
};

// After SIGTERM it waits up to 30 s for idle keep-alive connections to close before it writes its data and exits.
// Clients under test keep theirs open, so that wait would be the length of every restart.
const SHUTDOWN_TIMER_MS = 100;
process.once('SIGTERM', () => {
  const setTimeout = globalThis.setTimeout;
  globalThis.setTimeout = (callback, ms, ...args) =>
    setTimeout(callback, Math.min(ms ?? 0, SHUTDOWN_TIMER_MS), ...args);
});
