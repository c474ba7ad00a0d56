import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { onTestFinished } from 'vitest';

/** What becomes of an answer after so many of its bytes. */
export interface AnswerFault {
  readonly afterBytes: number;
  /** The connection ends, or stays open and nothing comes any more. */
  readonly how: 'cut' | 'silence';
}

/** Stands between a client and its server, and lets through only a part of an answer. For one call at a time. */
export class TcpProxy {
  /** For the next answer and all after it. */
  fault: AnswerFault | undefined;
  /** Bytes of the last answer that came from the server. */
  answerBytes = 0;
  /** Connections that were made. */
  connections = 0;
  /** Connections that are open. */
  open = 0;
  readonly #sockets: Set<Socket>;
  readonly endpoint: string;

  private constructor(port: number, sockets: Set<Socket>) {
    this.#sockets = sockets;
    this.endpoint = `http://127.0.0.1:${port}`;
  }

  static async to(target: string): Promise<TcpProxy> {
    const { hostname, port } = new URL(target);
    const sockets = new Set<Socket>();
    const server = createServer((socket) => proxy.#join(socket, connect(Number(port), hostname), sockets));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const proxy = new TcpProxy((server.address() as AddressInfo).port, sockets);
    return proxy;
  }

  /** Ends the open connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client: Socket, server: Socket, sockets: Set<Socket>): void {
    this.connections++;
    this.open++;
    client.on('close', () => this.open--);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
    client.on('data', (bytes) => {
      this.answerBytes = 0;
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      const before = this.answerBytes;
      this.answerBytes += bytes.length;
      if (this.fault === undefined) {
        client.write(bytes);
        return;
      }
      const { afterBytes, how } = this.fault;
      const rest = Math.max(0, afterBytes - before);
      const part = bytes.subarray(0, rest);
      if (part.length > 0) client.write(part);
      if (how === 'cut' && this.answerBytes > afterBytes) client.end();
    });
  }
}
