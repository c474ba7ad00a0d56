import kafkajs from 'kafkajs';
import type { FetchedRecord } from '../fetched-record.ts';
import type { FetchedPartition } from '../kafka-client.ts';
import { type FetchHelp, MissingCodec, decodeFetch } from '../protocol/records/fetch-answer.ts';
import type { Batch } from '../protocol/records/record-batch.ts';

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

/** The versions of the fetch request whose answers have other fields. */
const since = { recordBatches: 4, sessions: 7 };

/** Decodes answers to fetches instead of kafkajs. */
export function fetchResponse(theirs: Response, version: number): Response {
  if (version < since.recordBatches) return theirs;
  const help: FetchHelp = {
    decompress,
    errorOf: (errorCode, topicName, partition) =>
      // The only access to the error of a code is what kafkajs throws for it.
      theirs.parse({ responses: [{ topicName, partitions: [{ partition, errorCode }] }] }).then(
        () => new Error(`error ${errorCode}`),
        (error: unknown) => error,
      ),
    otherwise: (topic, bytes) => decodedByKafkajs(theirs, version, topic, bytes),
  };
  return {
    decode: async (payload): Promise<FetchAnswer> => ({
      clientSideThrottleTime: payload.readInt32BE(),
      partitions: await decodeFetch(payload, version, help),
    }),
    parse: (data) => Promise.resolve(data),
  };
}

/** For formats before Kafka 0.11, and for codecs that are registered only with the user's copy of kafkajs. */
async function decodedByKafkajs(
  theirs: Response,
  version: number,
  topic: string,
  bytes: Buffer,
): Promise<Batch[]> {
  const name = Buffer.from(topic);
  const before = Buffer.alloc(version >= since.sessions ? 10 : 4);
  const [one, length] = [Buffer.alloc(4), Buffer.alloc(2)];
  one.writeInt32BE(1);
  length.writeInt16BE(name.length);
  const alone = Buffer.concat([before, one, length, name, one, bytes]);
  const { responses } = (await theirs.decode(alone)) as KafkajsAnswer;
  return responses.flatMap(({ partitions }) => partitions.flatMap(({ messages }) => messages.map(batchOf)));
}

async function decompress(type: number, bytes: Buffer): Promise<Buffer> {
  const codecs = kafkajs.CompressionCodecs as Readonly<Record<number, (() => Codec) | undefined>>;
  const codec = codecs[type];
  if (codec === undefined) throw new RangeError(`unknown compression ${type}`);
  try {
    return await codec().decompress(bytes);
  } catch (error) {
    if ((error as Error).name !== 'KafkaJSNotImplemented') throw error;
    throw new MissingCodec('the codec is not registered', { cause: error });
  }
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
