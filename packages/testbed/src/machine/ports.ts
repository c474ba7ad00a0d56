import { createServer } from 'node:net';

/**
 * Below the ports that operating systems hand to outgoing connections (32768 and up on Linux, 49152 elsewhere). While a
 * broker is down for a restart nobody holds its port, and a client that reconnects in a loop could otherwise be given
 * that very port as its own end, even connect to itself, and keep the broker from coming back.
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
 * A TCP port that nobody listens on at 127.0.0.1 and that this process has not given out before.
 *
 * @throws Error when none of 200 random ports between 15000 and 32000 is free
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

/** Gives a port back that {@link freePort} handed out, once nothing listens on it any more. */
export function releasePort(port: number): void {
  given.delete(port);
}
