import { type Socket, connect, isIP } from 'node:net';
import { type ConnectionOptions as TlsOptions, connect as connectTls } from 'node:tls';
import type { ISocketFactory } from 'kafkajs';

const keepAliveMs = 60_000;

/** The sockets of a client. `close` ends them at once, while kafkajs would wait for answers. */
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

  /** Ends all sockets, and later ones as soon as they are created. */
  close(): void {
    this.#isClosed = true;
    for (const socket of this.#open) end(socket);
  }
}

function open(host: string, port: number, tls: TlsOptions | undefined, onConnect: () => void): Socket {
  if (!tls) return connect({ host, port }, onConnect);
  return connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ...tls }, onConnect);
}

/** With an error, because kafkajs otherwise goes on waiting for answers. */
function end(socket: Socket): void {
  setImmediate(() => socket.destroy(new Error('the engine has closed the connection')));
}
