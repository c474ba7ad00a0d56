import { type Socket, connect, isIP } from 'node:net';
import { type ConnectionOptions as TlsOptions, connect as connectTls } from 'node:tls';
import type { ISocketFactory } from 'kafkajs';

const keepAliveMs = 60_000;

/** The sockets of a client, so that all of them can be ended: kafkajs waits for answers before it lets go of one. */
export class Sockets {
  readonly #open = new Set<Socket>();
  #isClosed = false;

  readonly factory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    const socket = open(host, port, ssl, onConnect);
    socket.setKeepAlive(true, keepAliveMs);
    socket.setNoDelay(true);
    this.#open.add(socket);
    socket.on('close', () => this.#open.delete(socket));
    if (this.#isClosed) end(socket);
    return socket;
  };

  /** Ends those there are, and at once those that are still to come. */
  close(): void {
    this.#isClosed = true;
    for (const socket of this.#open) end(socket);
  }
}

function open(host: string, port: number, tls: TlsOptions | undefined, onConnect: () => void): Socket {
  if (!tls) return connect({ host, port }, onConnect);
  return connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ...tls }, onConnect);
}

/** With an error: only that makes kafkajs give up on what it waits for. */
function end(socket: Socket): void {
  setImmediate(() => socket.destroy(new Error('the engine has closed the connection')));
}
