import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { onTestFinished } from 'vitest';

/** Stands between clients and a real server, and fails in the middle of answers. */
export class CuttingProxy {
  /** After a matching request, this number of bytes of the answer passes, and then the connection closes. */
  cut: { readonly after: RegExp; readonly bytes: number } | undefined;
  /** How often it has. */
  cuts = 0;
  /** How long the first answer to such a request was. */
  readonly measured = new Map<RegExp, number>();
  /** The speed at which what the server says gets through; undefined for no limit. */
  bytesPerSecond: number | undefined;
  /** How long what the server says is on its way, in milliseconds. */
  delayMs = 0;
  /** Connections end, and new ones are refused. */
  isDown = false;
  #server: { readonly host: string; readonly port: number };
  readonly #relays = new Set<Relay>();
  readonly #listening = createServer((client) => {
    if (this.isDown) client.destroy();
    else this.#relays.add(new Relay(client, connect(this.#server), this));
  });

  private constructor(url: string) {
    this.#server = serverOf(url);
  }

  static async start(url: string): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(url);
    await new Promise<void>((resolve) => proxy.#listening.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      for (const relay of proxy.#relays) relay.end();
      proxy.#listening.close();
    });
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#listening.address() as AddressInfo).port}`;
  }

  /** From now on nothing that the server says comes over the connections of this name that there are; new ones work. */
  swallow(name: string): void {
    for (const relay of this.#relays) if (relay.said.includes(name)) relay.isSwallowing = true;
  }

  /** New connections go to another server. Existing connections stay unchanged. */
  turnTo(url: string): void {
    this.#server = serverOf(url);
  }

  down(): void {
    this.isDown = true;
    for (const relay of this.#relays) relay.end();
    this.#relays.clear();
  }

  up(): void {
    this.isDown = false;
  }
}

function serverOf(url: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

class Relay {
  isSwallowing = false;
  /** The first bytes that the client has sent, which contain its name. */
  said = '';
  readonly #client: Socket;
  #left = Number.POSITIVE_INFINITY;
  #measuring: RegExp | undefined;

  constructor(client: Socket, server: Socket, proxy: CuttingProxy) {
    this.#client = client;
    for (const socket of [client, server]) socket.setNoDelay(true).on('error', () => {});
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
    client.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      if (this.said.length < 1000) this.said += text;
      const { cut } = proxy;
      // A connection that is already cut would use up the cut.
      if (!this.isSwallowing && cut?.after.test(text) === true) {
        this.#measuring = cut.after;
        if (cut.bytes >= 0) this.#left = cut.bytes;
        proxy.cut = undefined;
      }
      server.write(bytes);
      if (this.#left === 0) this.#cut(proxy);
    });
    server.on('data', (bytes) => {
      if (this.isSwallowing) return;
      if (proxy.bytesPerSecond !== undefined) {
        server.pause();
        setTimeout(() => server.resume(), (1000 * bytes.length) / proxy.bytesPerSecond);
      }
      if (this.#measuring !== undefined) proxy.measured.set(this.#measuring, bytes.length);
      this.#measuring = undefined;
      const passed = bytes.subarray(0, this.#left);
      if (proxy.delayMs === 0) client.write(passed);
      else setTimeout(() => client.write(passed), proxy.delayMs);
      this.#left -= bytes.length;
      if (this.#left <= 0) this.#cut(proxy);
    });
  }

  #cut(proxy: CuttingProxy): void {
    proxy.cuts++;
    this.#left = Number.POSITIVE_INFINITY;
    this.isSwallowing = true;
    // An orderly close, so that the written bytes arrive.
    this.#client.end();
  }

  end(): void {
    this.#client.resetAndDestroy();
  }
}
