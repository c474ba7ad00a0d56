import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';

/** Stands between all processes and their broker, on this machine, and disturbs the connections. */
export class Proxy {
  readonly #server: Server;
  readonly #relays = new Set<Relay>();
  /** Set once the broker runs. */
  target: { readonly host: string; readonly port: number } | undefined;
  isRefusing = false;
  #isStalled = false;

  private constructor() {
    this.#server = createServer((client) => {
      if (this.isRefusing || this.target === undefined) client.resetAndDestroy();
      else this.#join(new Relay(client, connect(this.target)));
    });
  }

  /** Listens on this port of 127.0.0.1. */
  static async listen(port = 0): Promise<Proxy> {
    const proxy = new Proxy();
    await new Promise<void>((resolve) => proxy.#server.listen(port, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections at once, without their orderly end. */
  reset(): void {
    for (const relay of this.#relays) relay.reset();
  }

  /** Connections stay open, and nothing passes. */
  stall(): void {
    this.#isStalled = true;
    for (const relay of this.#relays) relay.pause();
  }

  /** What was held back passes now. */
  resume(): void {
    this.#isStalled = false;
    for (const relay of this.#relays) relay.resume();
  }

  close(): void {
    this.reset();
    this.#server.close();
  }

  #join(relay: Relay): void {
    this.#relays.add(relay);
    relay.onEnd(() => this.#relays.delete(relay));
    if (this.#isStalled) relay.pause();
  }
}

class Relay {
  readonly #ends: readonly [client: Socket, broker: Socket];

  constructor(client: Socket, broker: Socket) {
    this.#ends = [client, broker];
    for (const socket of this.#ends) socket.setNoDelay(true).on('error', () => {});
    client.pipe(broker);
    broker.pipe(client);
    // Also after an error, which a pipe does not pass on.
    client.on('close', () => broker.destroy());
    broker.on('close', () => client.destroy());
  }

  onEnd(ended: () => void): void {
    this.#ends[0].on('close', ended);
  }

  pause(): void {
    for (const socket of this.#ends) socket.pause();
  }

  resume(): void {
    for (const socket of this.#ends) socket.resume();
  }

  reset(): void {
    for (const socket of this.#ends) socket.resetAndDestroy();
  }
}
