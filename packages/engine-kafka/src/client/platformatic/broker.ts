import type { FetchRequest, FetchedPartition, PartitionOffset, PartitionsByTopic } from '../kafka-client.ts';
import type { Broker, ProduceRequest, Producer, RefusedBatch } from '../protocol/broker.ts';
import { byTopic } from '../protocol/by-topic.ts';
import { encodeBatch } from '../protocol/records/encode-batch.ts';
import { type FetchHelp, decodeFetch } from '../protocol/records/fetch-answer.ts';
import type { Codecs } from './codecs.ts';
import type { BrokerConnection, Parser } from './connection.ts';
import type { Package } from './package.ts';

type ErrorAnswer = InstanceType<Package['ResponseError']> & { readonly response?: unknown };

const fetchVersion = 12;
const consumerReplica = -1;
const resourceTypes: Readonly<Record<'topic' | 'broker', number>> = { topic: 2, broker: 4 };
const createMs = 5000;
/** Each fetch says all that it asks for. */
const noSession = { id: 0, epoch: -1 };

/** Requests to a broker with the package's functions. */
export class PlatformaticBroker implements Broker {
  readonly id: number;
  readonly #package: Package;
  readonly #codecs: Codecs;
  readonly #connection: BrokerConnection;
  /** A fetch waits for records, and would hold up other answers. */
  readonly #fetching: BrokerConnection;
  readonly #help: FetchHelp;

  constructor(
    id: number,
    from: Package,
    codecs: Codecs,
    connection: BrokerConnection,
    fetching: BrokerConnection,
  ) {
    this.id = id;
    this.#package = from;
    this.#codecs = codecs;
    this.#connection = connection;
    this.#fetching = fetching;
    this.#help = {
      decompress: (codec, bytes) => codecs.decompress(codec, bytes),
      errorOf: (code) => this.#errorOf(code),
      otherwise: () => {
        throw new RangeError('records in a format before Kafka 0.11 cannot be read');
      },
    };
  }

  async fetch(request: FetchRequest, isolationLevel: number): Promise<readonly FetchedPartition[]> {
    const { positions, maxWaitMs, maxBytes, maxBytesPerPartition } = request;
    const { fetchV12 } = this.#package;
    const topics = [...byTopic(positions)].map(([topicId, ofTopic]) => ({
      topicId,
      partitions: ofTopic.map(({ partition, offset }) => ({
        partition,
        currentLeaderEpoch: -1,
        fetchOffset: BigInt(offset),
        lastFetchedEpoch: -1,
        partitionMaxBytes: maxBytesPerPartition,
      })),
    }));
    const { id, epoch } = noSession;
    const answer = await this.#fetching.send(
      fetchV12,
      () => fetchV12.createRequest(maxWaitMs, 1, maxBytes, isolationLevel, id, epoch, topics, [], ''),
      (_, __, ___, { buffer, position }) => buffer.slice(position),
    );
    return decodeFetch(answer, fetchVersion, this.#help);
  }

  async produce({
    acks,
    timeoutMs,
    compression,
    producer,
    batches,
  }: ProduceRequest): Promise<readonly RefusedBatch[]> {
    const { produceV9, Writer, crc32c } = this.#package;
    const codec = this.#codecs.of(compression);
    const encoded = batches.map(async ({ topic, partition, firstSequence, records }) => ({
      topic,
      partition,
      bytes: await encodeBatch(records, {
        codec: codec?.id ?? 0,
        compress: codec?.compress,
        producerId: (producer?.id as bigint | undefined) ?? -1n,
        producerEpoch: producer?.epoch ?? -1,
        firstSequence: producer === undefined ? -1 : firstSequence,
        crc32c: (bytes) => crc32c(Writer.create().append(bytes).dynamicBuffer),
      }),
    }));
    const topics = [...byTopic(await Promise.all(encoded))];
    const payload = (): ReturnType<typeof Writer.create> => {
      const writer = Writer.create()
        .appendString(null)
        .appendInt16(acks)
        .appendInt32(timeoutMs)
        .appendArray(topics, (w, [topic, partitions]) => {
          w.appendString(topic).appendArray(partitions, (each, { partition, bytes }) => {
            each.appendInt32(partition).appendBytes(bytes);
          });
        })
        .appendTaggedFields();
      writer.context['noResponse'] = acks === 0;
      return writer;
    };
    const answer = await this.#connection.send(produceV9, payload, lenient(produceV9.parseResponse));
    // The package says nothing of a request without an answer.
    if (acks === 0) return [];
    return answer.responses.flatMap(({ name, partitionResponses }) =>
      partitionResponses
        .filter(({ errorCode }) => errorCode !== 0)
        .map(({ index, errorCode }) => ({ topic: name, partition: index, error: this.#errorOf(errorCode) })),
    );
  }

  async newProducer(timeoutMs: number): Promise<Producer> {
    const { producerId, producerEpoch } = await this.#connection.ask(
      this.#package.initProducerIdV3,
      null,
      timeoutMs,
      -1n,
      -1,
    );
    return { id: producerId, epoch: producerEpoch };
  }

  async offsets(
    asked: PartitionsByTopic,
    timestamp: number,
    isolationLevel: number,
  ): Promise<readonly PartitionOffset[]> {
    const topics = [...asked].map(([name, ids]) => ({
      name,
      partitions: ids.map((partitionIndex) => ({
        partitionIndex,
        currentLeaderEpoch: -1,
        timestamp: BigInt(timestamp),
      })),
    }));
    const answer = await this.#connection.ask(
      this.#package.listOffsetsV6,
      consumerReplica,
      isolationLevel as 0 | 1,
      topics,
    );
    return answer.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, offset }) => ({
        topic: name,
        partition: partitionIndex,
        offset: Number(offset),
      })),
    );
  }

  async createTopic(name: string, numPartitions: number, replicationFactor: number): Promise<void> {
    const { createTopicsV7 } = this.#package;
    const topic = { name, numPartitions, replicationFactor, assignments: [], configs: [] };
    const { topics } = await this.#connection.send(
      createTopicsV7,
      () => createTopicsV7.createRequest([topic], createMs, false),
      lenient(createTopicsV7.parseResponse),
    );
    const { errorCode = 0, errorMessage } = topics[0] ?? {};
    if (errorCode === 0) return;
    const error = this.#errorOf(errorCode, errorMessage);
    if (error.apiId !== 'TOPIC_ALREADY_EXISTS') throw error;
  }

  async configured(
    of: 'topic' | 'broker',
    resourceName: string,
    property: string,
  ): Promise<string | null | undefined> {
    const resource = { resourceType: resourceTypes[of], resourceName, configurationKeys: [property] };
    const answer = await this.#connection.ask(
      this.#package.describeConfigsV4,
      [resource] as never,
      false,
      false,
    );
    return answer.results[0]?.configs[0]?.value;
  }

  #errorOf(code: number, message?: string | null): ProtocolError {
    const { ProtocolError: Known, protocolErrorsCodesById } = this.#package;
    const isKnown = Object.hasOwn(protocolErrorsCodesById, code);
    const error = new Known(isKnown ? code : unknownError) as unknown as ProtocolError;
    if (typeof message === 'string' && message !== '') error.message = message;
    return error;
  }
}

type ProtocolError = Error & { readonly apiId: string };

const unknownError = -1;

/** The package throws if anything in an answer has an error. The rest of the answer is needed, too. */
export function lenient<R>(parse: Parser<R>): Parser<R> {
  return (...args) => {
    try {
      return parse(...args);
    } catch (error) {
      const { response } = error as ErrorAnswer;
      if (response === undefined) throw error;
      return response as R;
    }
  };
}
