import { type Socket, createServer } from 'node:net';
import { onTestFinished } from 'vitest';

/** A stub of a Kafka broker whose answers a test sets, for behaviour that a real broker shows only during a failure. */
export interface StubBroker {
  readonly brokers: string[];
  readonly port: number;
  /** Requests that came, by their API key. */
  readonly asked: Map<number, number>;
  /** Connections that are open. */
  open(): number;
}

export interface Answers {
  /** The leader of each partition of each topic, `-1` for a partition without a leader. */
  topics(): ReadonlyMap<string, readonly number[]>;
  /** The error code for a partition that is published to. */
  produce?(topic: string, partition: number): number | Promise<number>;
  /** The ports of all brokers of the cluster by their ids. By default this broker is alone, and has the id 1. */
  cluster?(): ReadonlyMap<number, number>;
  /** True if the broker closes new connections. */
  isDown?(): boolean;
  /** True while a broker, by its port, takes requests and answers none. */
  isFrozen?(port: number): boolean;
}

export const apiKeys = { produce: 0, listOffsets: 2, metadata: 3, apiVersions: 18, initProducerId: 22 };
/** The versions that it speaks: the oldest that are written alike. */
const versions = new Map([
  [apiKeys.produce, 3],
  [1, 4],
  [apiKeys.listOffsets, 1],
  [apiKeys.metadata, 1],
  [apiKeys.apiVersions, 0],
  [apiKeys.initProducerId, 0],
]);
const leaderNotAvailable = 5;
const unsupportedVersion = 35;

const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const int64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
};
const text = (value: string): Buffer => Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)]);
const list = (items: readonly Buffer[]): Buffer => Buffer.concat([int32(items.length), ...items]);

/** Reads the fields of a request. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int16(): number {
    return this.#bytes.readInt16BE((this.#at += 2) - 2);
  }

  int32(): number {
    return this.#bytes.readInt32BE((this.#at += 4) - 4);
  }

  skip(length: number): void {
    this.#at += length;
  }

  text(): string {
    const length = Math.max(0, this.int16());
    return this.#bytes.toString('utf8', this.#at, (this.#at += length));
  }

  list<T>(item: () => T): T[] {
    return Array.from({ length: this.int32() }, item);
  }
}

export async function stubBroker(answers: Answers): Promise<StubBroker> {
  const asked = new Map<number, number>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    if (answers.isDown?.() === true) socket.destroy();
    let waiting = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      waiting = Buffer.concat([waiting, bytes]);
      while (waiting.length >= 4 && waiting.length >= 4 + waiting.readInt32BE()) {
        const end = 4 + waiting.readInt32BE();
        void answer(socket, new Reader(waiting.subarray(4, end)));
        waiting = waiting.subarray(end);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };

  async function answer(socket: Socket, request: Reader): Promise<void> {
    const [key, version, correlation] = [request.int16(), request.int16(), request.int32()];
    request.text();
    asked.set(key, (asked.get(key) ?? 0) + 1);
    if (answers.isFrozen?.(port) === true) return;
    const body = await bodyOf(key, version, request);
    // An unknown request gets no answer.
    if (body !== undefined) socket.write(Buffer.concat([int32(4 + body.length), int32(correlation), body]));
  }

  function bodyOf(key: number, version: number, request: Reader): Buffer | Promise<Buffer> | undefined {
    if (key === apiKeys.apiVersions) {
      if (version > 0) return Buffer.concat([int16(unsupportedVersion), list([])]);
      const all = [...versions].map(([one, last]) => Buffer.concat([int16(one), int16(0), int16(last)]));
      return Buffer.concat([int16(0), list(all)]);
    }
    if (key === apiKeys.metadata) return metadata();
    if (key === apiKeys.listOffsets) return offsets(request);
    if (key === apiKeys.produce) return produced(request);
    if (key === apiKeys.initProducerId) return Buffer.concat([int32(0), int16(0), int64(1), int16(0)]);
    return undefined;
  }

  function metadata(): Buffer {
    const cluster = answers.cluster?.() ?? new Map([[1, port]]);
    const brokers = [...cluster].map(([id, at]) =>
      Buffer.concat([int32(id), text('127.0.0.1'), int32(at), int16(-1)]),
    );
    const topics = [...answers.topics()].map(([topic, leaders]) => {
      const partitions = leaders.map((leader, partition) =>
        Buffer.concat([
          int16(leader < 0 ? leaderNotAvailable : 0),
          int32(partition),
          int32(leader),
          list([int32(1)]),
          list([int32(1)]),
        ]),
      );
      return Buffer.concat([int16(0), text(topic), Buffer.from([0]), list(partitions)]);
    });
    return Buffer.concat([list(brokers), int32(1), list(topics)]);
  }

  function offsets(request: Reader): Buffer {
    request.int32();
    const topics = request.list(() => {
      const topic = request.text();
      const partitions = request.list(() => {
        const partition = request.int32();
        request.skip(8);
        return Buffer.concat([int32(partition), int16(0), int64(-1), int64(0)]);
      });
      return Buffer.concat([text(topic), list(partitions)]);
    });
    return list(topics);
  }

  async function produced(request: Reader): Promise<Buffer> {
    request.text();
    request.int16();
    request.int32();
    const topics = request.list(async () => {
      const topic = request.text();
      const partitions = request.list(async () => {
        const partition = request.int32();
        request.skip(request.int32());
        const code = (await answers.produce?.(topic, partition)) ?? 0;
        return Buffer.concat([int32(partition), int16(code), int64(0), int64(-1)]);
      });
      return Buffer.concat([text(topic), list(await Promise.all(partitions))]);
    });
    return Buffer.concat([list(await Promise.all(topics)), int32(0)]);
  }

  return { brokers: [`127.0.0.1:${port}`], port, asked, open: () => sockets.size };
}
