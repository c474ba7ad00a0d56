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
/** The versions that kafkajs is offered: the oldest that are written alike. */
const oldVersions = new Map([
  [apiKeys.produce, 3],
  [1, 4],
  [apiKeys.listOffsets, 1],
  [apiKeys.metadata, 1],
  [apiKeys.apiVersions, 0],
  [apiKeys.initProducerId, 0],
]);
/** The versions that `@platformatic/kafka` needs. Their lengths have a variable size. */
const newVersions = new Map([
  [apiKeys.produce, 9],
  [1, 12],
  [apiKeys.listOffsets, 6],
  [apiKeys.metadata, 9],
  [9, 8],
  [10, 4],
  [apiKeys.apiVersions, 3],
  [apiKeys.initProducerId, 3],
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
/** Lengths in the compact form, up to the longest that a test needs. */
const varint = (value: number): Buffer =>
  value < 0x80 ? Buffer.from([value]) : Buffer.from([(value & 0x7f) | 0x80, value >> 7]);

/** Writes the fields whose form depends on the version of the request. */
class Form {
  readonly isCompact: boolean;
  constructor(isCompact: boolean) {
    this.isCompact = isCompact;
  }

  text(value: string): Buffer {
    const bytes = Buffer.from(value);
    return Buffer.concat([this.isCompact ? varint(bytes.length + 1) : int16(bytes.length), bytes]);
  }

  get nullText(): Buffer {
    return this.isCompact ? varint(0) : int16(-1);
  }

  list(items: readonly Buffer[]): Buffer {
    return Buffer.concat([this.isCompact ? varint(items.length + 1) : int32(items.length), ...items]);
  }

  /** What only the compact form has. */
  also(...parts: readonly Buffer[]): Buffer {
    return this.isCompact ? Buffer.concat(parts) : Buffer.alloc(0);
  }

  /** No optional fields. */
  get tags(): Buffer {
    return this.also(varint(0));
  }
}

/** Reads the fields of a request. */
class Reader {
  readonly #bytes: Buffer;
  isCompact = false;
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

  #varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  /** The length of a list, or of bytes. */
  length(): number {
    return this.isCompact ? this.#varint() - 1 : this.int32();
  }

  text(): string {
    const length = Math.max(0, this.isCompact ? this.#varint() - 1 : this.int16());
    return this.#bytes.toString('utf8', this.#at, (this.#at += length));
  }

  tags(): void {
    if (this.isCompact) this.skip(1);
  }

  list<T>(item: () => T): T[] {
    return Array.from({ length: this.length() }, () => {
      const one = item();
      this.tags();
      return one;
    });
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
    const form = new Form(version === newVersions.get(key));
    request.isCompact = form.isCompact;
    request.tags();
    const body = await bodyOf(key, version, request, form);
    // An unknown request gets no answer.
    if (body === undefined) return;
    const header =
      key === apiKeys.apiVersions ? int32(correlation) : Buffer.concat([int32(correlation), form.tags]);
    socket.write(Buffer.concat([int32(header.length + body.length), header, body]));
  }

  function bodyOf(
    key: number,
    version: number,
    request: Reader,
    form: Form,
  ): Buffer | Promise<Buffer> | undefined {
    if (key === apiKeys.apiVersions) {
      if (version > 0 && !form.isCompact) return Buffer.concat([int16(unsupportedVersion), form.list([])]);
      const offered = [...(form.isCompact ? newVersions : oldVersions)];
      const all = offered.map(([one, last]) => Buffer.concat([int16(one), int16(0), int16(last), form.tags]));
      return Buffer.concat([int16(0), form.list(all), form.also(int32(0), varint(0))]);
    }
    if (key === apiKeys.metadata) return metadata(form);
    if (key === apiKeys.listOffsets) return offsets(request, form);
    if (key === apiKeys.produce) return produced(request, form);
    if (key === apiKeys.initProducerId)
      return Buffer.concat([int32(0), int16(0), int64(1), int16(0), form.tags]);
    return undefined;
  }

  function metadata(form: Form): Buffer {
    const cluster = answers.cluster?.() ?? new Map([[1, port]]);
    const brokers = [...cluster].map(([id, at]) =>
      Buffer.concat([int32(id), form.text('127.0.0.1'), int32(at), form.nullText, form.tags]),
    );
    const topics = [...answers.topics()].map(([topic, leaders]) => {
      const partitions = leaders.map((leader, partition) =>
        Buffer.concat([
          int16(leader < 0 ? leaderNotAvailable : 0),
          int32(partition),
          int32(leader),
          form.also(int32(-1)),
          form.list([int32(1)]),
          form.list([int32(1)]),
          form.also(form.list([]), varint(0)),
        ]),
      );
      return Buffer.concat([
        int16(0),
        form.text(topic),
        Buffer.from([0]),
        form.list(partitions),
        form.also(int32(0), varint(0)),
      ]);
    });
    return Buffer.concat([
      form.also(int32(0)),
      form.list(brokers),
      form.also(form.nullText),
      int32(1),
      form.list(topics),
      form.also(int32(0), varint(0)),
    ]);
  }

  function offsets(request: Reader, form: Form): Buffer {
    request.int32();
    if (form.isCompact) request.skip(1);
    const topics = request.list(() => {
      const topic = request.text();
      const partitions = request.list(() => {
        const partition = request.int32();
        request.skip(form.isCompact ? 12 : 8);
        const offset = [int64(-1), int64(0), form.also(int32(-1)), form.tags];
        return Buffer.concat([int32(partition), int16(0), ...offset]);
      });
      return Buffer.concat([form.text(topic), form.list(partitions), form.tags]);
    });
    return Buffer.concat([form.also(int32(0)), form.list(topics), form.tags]);
  }

  async function produced(request: Reader, form: Form): Promise<Buffer> {
    request.text();
    request.int16();
    request.int32();
    const topics = request.list(() => {
      const topic = request.text();
      const ids = request.list(() => {
        const partition = request.int32();
        request.skip(request.length());
        return partition;
      });
      const partitions = ids.map(async (partition) => {
        const code = (await answers.produce?.(topic, partition)) ?? 0;
        const rest = form.also(int64(0), form.list([]), form.nullText, varint(0));
        return Buffer.concat([int32(partition), int16(code), int64(0), int64(-1), rest]);
      });
      return Promise.all(partitions).then((all) =>
        Buffer.concat([form.text(topic), form.list(all), form.tags]),
      );
    });
    return Buffer.concat([form.list(await Promise.all(topics)), int32(0), form.tags]);
  }

  return { brokers: [`127.0.0.1:${port}`], port, asked, open: () => sockets.size };
}
