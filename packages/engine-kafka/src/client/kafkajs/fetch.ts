import kafkajs from 'kafkajs';
import type { FetchedRecord } from '../fetched-record.ts';
import type { FetchedPartition } from '../kafka-client.ts';
import { toFailure } from './failure.ts';
import { type Batch, type PackedBatch, batchesOf, decodeBatch } from '../record-batch.ts';

/** A decoded answer to a fetch. */
export interface FetchAnswer {
  /** Read by kafkajs: how long to send nothing to the broker, in milliseconds. */
  readonly clientSideThrottleTime: number;
  readonly partitions: readonly FetchedPartition[];
}

/** How kafkajs decodes an answer. */
export interface Response {
  readonly decode: (payload: Buffer) => Promise<unknown>;
  /** Throws if the answer has an error. */
  readonly parse: (data: unknown) => Promise<unknown>;
}

/** The versions of the fetch request that added fields to the answer. */
const since = { recordBatches: 4, logStart: 5, sessions: 7, replicas: 11 };

/**
 * Decodes answers to fetches instead of kafkajs. kafkajs does not return the end of a batch whose last records were compacted away,
 * fails for a batch with more records than a call takes arguments, and discards a whole answer if one partition has an error.
 */
export function fetchResponse(theirs: Response, version: number): Response {
  if (version < since.recordBatches) return theirs;
  return {
    decode: (payload) => new Answer(payload, version, theirs).decode(),
    parse: (data) => Promise.resolve(data),
  };
}

class Answer {
  readonly #payload: Buffer;
  readonly #version: number;
  readonly #theirs: Response;
  #at = 0;

  constructor(payload: Buffer, version: number, theirs: Response) {
    this.#payload = payload;
    this.#version = version;
    this.#theirs = theirs;
  }

  async decode(): Promise<FetchAnswer> {
    const clientSideThrottleTime = this.#int32();
    if (this.#version >= since.sessions) {
      const errorCode = this.#int16();
      if (errorCode !== 0) throw await this.#errorOf(errorCode, '', -1);
      this.#int32();
    }
    const partitions: FetchedPartition[] = [];
    for (let topics = this.#int32(); topics > 0; topics--) {
      const topic = this.#text();
      for (let left = this.#int32(); left > 0; left--) partitions.push(await this.#partition(topic));
    }
    return { clientSideThrottleTime, partitions };
  }

  async #partition(topic: string): Promise<FetchedPartition> {
    const start = this.#at;
    const partition = this.#int32();
    const errorCode = this.#int16();
    const highWatermark = this.#int64();
    const lastStable = this.#int64();
    if (this.#version >= since.logStart) this.#int64();
    const aborted: Aborted[] = [];
    for (let left = this.#int32(); left > 0; left--)
      aborted.push({ producerId: this.#int64().toString(), firstOffset: Number(this.#int64()) });
    if (this.#version >= since.replicas) this.#int32();
    const bytes = this.#bytes();
    const of = {
      topic,
      partition,
      highWatermark: Number(highWatermark),
      lastStable: Number(lastStable < 0n ? highWatermark : lastStable),
    };
    try {
      if (errorCode !== 0) throw await this.#errorOf(errorCode, topic, partition);
      const packed = batchesOf(bytes);
      const decoded = packed[0]?.isOld === true ? undefined : await decodeAll(packed);
      if (decoded !== undefined)
        return {
          ...of,
          records: recordsOf(decoded, aborted),
          next: packed[decoded.length - 1]?.next,
          failure: undefined,
        };
      const theirs = await this.#decodedByKafkajs(topic, start);
      return { ...of, records: recordsOf(theirs, aborted), next: packed.at(-1)?.next, failure: undefined };
    } catch (error) {
      return { ...of, records: [], next: undefined, failure: toFailure(error) };
    }
  }

  /** For formats before Kafka 0.11, and for codecs that are registered only with the user's copy of kafkajs. */
  async #decodedByKafkajs(topic: string, start: number): Promise<Batch[]> {
    const name = Buffer.from(topic);
    const before = Buffer.alloc(this.#version >= since.sessions ? 10 : 4);
    const [one, length] = [Buffer.alloc(4), Buffer.alloc(2)];
    one.writeInt32BE(1);
    length.writeInt16BE(name.length);
    const alone = Buffer.concat([before, one, length, name, one, this.#payload.subarray(start, this.#at)]);
    const { responses } = (await this.#theirs.decode(alone)) as KafkajsAnswer;
    return responses.flatMap(({ partitions }) => partitions.flatMap(({ messages }) => messages.map(batchOf)));
  }

  /** The error of kafkajs for an error code. */
  async #errorOf(errorCode: number, topicName: string, partition: number): Promise<unknown> {
    return this.#theirs.parse({ responses: [{ topicName, partitions: [{ partition, errorCode }] }] }).then(
      () => new Error(`error ${errorCode}`),
      (error: unknown) => error,
    );
  }

  #int16(): number {
    return this.#payload.readInt16BE((this.#at += 2) - 2);
  }

  #int32(): number {
    return this.#payload.readInt32BE((this.#at += 4) - 4);
  }

  #int64(): bigint {
    return this.#payload.readBigInt64BE((this.#at += 8) - 8);
  }

  #text(): string {
    const length = this.#int16();
    return this.#payload.toString('utf8', this.#at, (this.#at += length));
  }

  #bytes(): Buffer {
    const length = Math.max(0, this.#int32());
    return this.#payload.subarray(this.#at, (this.#at += length));
  }
}

/** Decodes batches up to the first failure. Undefined if the codec of the first batch is not registered here. */
async function decodeAll(packed: readonly PackedBatch[]): Promise<Batch[] | undefined> {
  const decoded: Batch[] = [];
  for (const { bytes } of packed) {
    try {
      decoded.push(await decodeBatch(bytes, decompress));
    } catch (error) {
      // The next answer begins with this batch.
      if (decoded.length > 0) break;
      if ((error as Error).name === 'KafkaJSNotImplemented') return undefined;
      throw error;
    }
  }
  return decoded;
}

async function decompress(type: number, bytes: Buffer): Promise<Buffer> {
  const codecs = kafkajs.CompressionCodecs as Readonly<Record<number, (() => Codec) | undefined>>;
  const codec = codecs[type];
  if (codec === undefined) throw new RangeError(`unknown compression ${type}`);
  return codec().decompress(bytes);
}

interface Codec {
  decompress(bytes: Buffer): Promise<Buffer>;
}

interface KafkajsAnswer {
  readonly responses: readonly {
    readonly partitions: readonly { readonly messages: readonly KafkajsMessage[] }[];
  }[];
}

interface KafkajsMessage {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: FetchedRecord['headers'];
  readonly isControlRecord?: boolean;
  readonly batchContext?: { readonly producerId: string; readonly inTransaction: boolean };
}

function batchOf(message: KafkajsMessage): Batch {
  const { timestamp, key, value, headers = {}, isControlRecord, batchContext } = message;
  const offset = Number(message.offset);
  return {
    lastOffset: offset,
    producerId: batchContext?.producerId ?? '',
    isTransactional: batchContext?.inTransaction === true,
    isControl: isControlRecord === true,
    records: [{ offset, timestamp: Number(timestamp), key, value, headers, takers: 0, decoded: undefined }],
  };
}

interface Aborted {
  readonly producerId: string;
  readonly firstOffset: number;
}

/**
 * The records of users, without control records and without the records of aborted transactions, which brokers return, too.
 */
function recordsOf(batches: readonly Batch[], aborted: readonly Aborted[]): readonly FetchedRecord[] {
  const toCome = [...aborted].sort((a, b) => b.firstOffset - a.firstOffset);
  const open = new Set<string>();
  const kept = batches.filter(({ lastOffset, producerId, isTransactional, isControl, records }) => {
    while (toCome.length > 0 && toCome.at(-1)!.firstOffset <= lastOffset) open.add(toCome.pop()!.producerId);
    // The key of a control record: its version, and its type, which is 0 for the end of an aborted transaction.
    if (isControl && records[0]?.key?.readInt16BE(2) === 0) open.delete(producerId);
    return !isControl && !(isTransactional && open.has(producerId));
  });
  return kept.length === 1 ? kept[0]!.records : kept.flatMap(({ records }) => records);
}
