import { type Socket, createSocket } from 'node:dgram';
import { once } from 'node:events';

/** What an agent would be: a UDP socket, and the lines that came. */
export class Agent implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (packet) => this.lines.push(...packet.toString().split('\n').filter(Boolean)));
  }

  static async listen(): Promise<Agent> {
    const socket = createSocket('udp4');
    const agent = new Agent(socket);
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return agent;
  }

  get addr(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  /** The values that came of a gauge with just these tags, in order. */
  values(name: string, ...tags: string[]): number[] {
    const wanted = tags.toSorted().join();
    return this.lines.flatMap((line) => {
      const [, metric, value, sent = ''] = /^([^:]+):([\d.]+)\|g\|#(.*)$/.exec(line) ?? [];
      return metric === name && sent.split(',').toSorted().join() === wanted ? [Number(value)] : [];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => void this.#socket.close(resolve));
  }
}
