import { createServer } from 'node:net';

/**
 * The range is below the ports that operating systems assign to outgoing connections (32768 and up on Linux, 49152 elsewhere). While a
 * broker restarts, its port is free. In the other range, a client that reconnects in a loop could be assigned that port for its own end,
 * connect to itself, and keep the broker from starting.
 */
const FIRST = 15_000;
const LAST = 32_000;
const TRIES = 200;

const given = new Set<number>();

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

/**
 * A free TCP port on 127.0.0.1 that this process has not used before.
 *
 * @throws Error if none of 200 random ports between 15000 and 32000 is free
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) return port;
    given.delete(port);
  }
  throw new Error(`no free TCP port between ${String(FIRST)} and ${String(LAST)} on 127.0.0.1`);
}

/** Releases a port of {@link freePort} that nothing listens on any more. */
export function releasePort(port: number): void {
  given.delete(port);
}
