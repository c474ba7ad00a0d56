import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import kafkajs from 'kafkajs';
import type { Kafka, KafkaConfig } from 'kafkajs';
import { onTestFinished } from 'vitest';
import type { KafkaConfig as EngineConfig } from '../src/index.ts';
import { library } from './quick.ts';

/** Kafka's numbers for kinds of requests. */
export const apiKeys = {
  produce: 0,
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  offsetCommit: 8,
  offsetFetch: 9,
  findCoordinator: 10,
  joinGroup: 11,
  heartbeat: 12,
  leaveGroup: 13,
  syncGroup: 14,
  apiVersions: 18,
  createTopics: 19,
  describeConfigs: 32,
} as const;

/** The offsets of a request's API key and correlation id, behind its length. */
const at = { apiKey: 4, correlation: 8 } as const;
const lengthBytes = 4;

/** Stands between a client and a real broker, and ends connections in the middle of answers. */
export class CuttingProxy {
  /** The number of bytes of the next answer of this kind that pass before the connection closes. If negative, invalid bytes replace the answer. */
  cut: { readonly apiKey: number; readonly bytes: number } | undefined;
  /** How often it has. */
  cuts = 0;
  /** True while it ends each new connection at once. */
  isRefusing = false;
  /** How often it has. */
  refusals = 0;
  /** The length of the last answer of each kind. */
  readonly lengths = new Map<number, number>();
  readonly #server: Server;
  readonly #broker: { readonly host: string; readonly port: number };
  readonly #open = new Set<Relay>();
  #port = 0;

  constructor(broker: string) {
    const [host = '', port] = broker.split(':');
    this.#broker = { host, port: Number(port) };
    this.#server = createServer((client) => {
      if (this.isRefusing) {
        this.refusals++;
        client.destroy();
        return;
      }
      this.#open.add(new Relay(client, connect(this.#broker), this));
    });
  }

  static async start(broker: string): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(broker);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    proxy.#port = (proxy.#server.address() as AddressInfo).port;
    onTestFinished(() => {
      for (const relay of proxy.#open) relay.end();
      proxy.#server.close();
    });
    return proxy;
  }

  /** A client whose connections all go through here, whatever the broker says of its address. */
  kafka(config: Partial<KafkaConfig> = {}): Kafka {
    return new kafkajs.Kafka({
      brokers: [`${this.#broker.host}:${this.#broker.port}`],
      logLevel: kafkajs.logLevel.NOTHING,
      retry: { retries: 0 },
      socketFactory: ({ onConnect }) => connect({ host: '127.0.0.1', port: this.#port }, onConnect),
      ...config,
    });
  }

  /** For an engine whose connections all go through here, with the client library of the run. */
  config(kafkajsConfig?: Partial<KafkaConfig>): EngineConfig {
    if (library === 'kafkajs') return { client: this.kafka(kafkajsConfig) };
    return { client: library, brokers: [`127.0.0.1:${this.#port}`] };
  }

  /** An answer of the broker with the address of this proxy in place of its own. */
  redirected(apiKey: number, answer: Buffer): Buffer {
    if (apiKey !== apiKeys.metadata && apiKey !== apiKeys.findCoordinator) return answer;
    const port = Buffer.alloc(4);
    port.writeInt32BE(this.#broker.port);
    const own = Buffer.concat([Buffer.from(this.#broker.host), port]);
    for (let at = answer.indexOf(own); at >= 0; at = answer.indexOf(own, at + own.length))
      answer.writeInt32BE(this.#port, at + own.length - port.length);
    return answer;
  }

  /**
   * From now on nothing comes over the connections that there are, or that such a request came over, though they stay open; new
   * ones work.
   */
  freeze(apiKey?: number): void {
    for (const relay of this.#open) relay.isFrozen ||= apiKey === undefined || relay.kinds.has(apiKey);
  }

  /** Ends all connections at once, some of them in the middle of an answer. */
  reset(): void {
    for (const relay of this.#open) relay.end();
    this.#open.clear();
  }
}

class Relay {
  isFrozen = false;
  /** Of the requests that came. */
  readonly kinds = new Set<number>();
  readonly #client: Socket;
  readonly #proxy: CuttingProxy;
  readonly #asked = new Map<number, number>();

  constructor(client: Socket, broker: Socket, proxy: CuttingProxy) {
    this.#client = client;
    this.#proxy = proxy;
    for (const socket of [client, broker]) socket.on('error', () => {});
    client.on('close', () => broker.destroy());
    broker.on('close', () => client.destroy());
    frames(client, (request) => {
      if (this.isFrozen) return;
      const apiKey = request.readInt16BE(at.apiKey);
      this.kinds.add(apiKey);
      this.#asked.set(request.readInt32BE(at.correlation), apiKey);
      broker.write(request);
    });
    frames(broker, (answer) => this.#answer(answer));
  }

  #answer(given: Buffer): void {
    if (this.isFrozen) return;
    const apiKey = this.#asked.get(given.readInt32BE(lengthBytes)) ?? -1;
    const answer = this.#proxy.redirected(apiKey, given);
    this.#proxy.lengths.set(apiKey, answer.length);
    const { cut } = this.#proxy;
    if (cut?.apiKey !== apiKey) {
      this.#client.write(answer);
      return;
    }
    this.#proxy.cut = undefined;
    this.#proxy.cuts++;
    this.isFrozen = true;
    // An orderly close, so that the written bytes arrive.
    if (cut.bytes < 0) this.#client.write(Buffer.alloc(answer.length, 0xff));
    else this.#client.end(answer.subarray(0, Math.min(cut.bytes, answer.length - 1)));
  }

  end(): void {
    this.#client.resetAndDestroy();
  }
}

/** Reports each request or answer when it is complete. */
function frames(socket: Socket, onFrame: (frame: Buffer) => void): void {
  let waiting: Buffer = Buffer.alloc(0);
  socket.on('data', (bytes) => {
    waiting = Buffer.concat([waiting, bytes]);
    while (waiting.length >= lengthBytes && waiting.length >= lengthBytes + waiting.readInt32BE()) {
      const end = lengthBytes + waiting.readInt32BE();
      onFrame(waiting.subarray(0, end));
      waiting = waiting.subarray(end);
    }
  });
}
