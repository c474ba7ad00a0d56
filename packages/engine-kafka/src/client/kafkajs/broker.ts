import kafkajs from 'kafkajs';
import type { FetchRequest, FetchedPartition, PartitionOffset, PartitionsByTopic } from '../kafka-client.ts';
import type { Broker, ProduceRequest, Producer, RefusedBatch } from '../protocol/broker.ts';
import { byTopic } from '../protocol/by-topic.ts';
import type { LenientBroker } from './connection/lenient-broker.ts';

const compressionTypes = {
  none: kafkajs.CompressionTypes.None,
  gzip: kafkajs.CompressionTypes.GZIP,
  snappy: kafkajs.CompressionTypes.Snappy,
  lz4: kafkajs.CompressionTypes.LZ4,
  zstd: kafkajs.CompressionTypes.ZSTD,
};
const resourceTypes: Readonly<Record<'topic' | 'broker', number>> = {
  topic: kafkajs.ConfigResourceTypes.TOPIC,
  broker: kafkajs.ConfigResourceTypes.BROKER,
};

/** Requests to a broker of kafkajs. */
export class KafkajsBroker implements Broker {
  readonly id: number;
  readonly #broker: LenientBroker;

  constructor(broker: LenientBroker) {
    this.id = broker.nodeId;
    this.#broker = broker;
  }

  async fetch(request: FetchRequest, isolationLevel: number): Promise<readonly FetchedPartition[]> {
    const { positions, maxWaitMs, maxBytes, maxBytesPerPartition } = request;
    const { partitions } = await this.#broker.fetch({
      isolationLevel,
      maxWaitTime: maxWaitMs,
      minBytes: 1,
      maxBytes,
      topics: positions.map(({ topic, partition, offset }) => ({
        topic,
        partitions: [{ partition, fetchOffset: String(offset), maxBytes: maxBytesPerPartition }],
      })),
    });
    return partitions;
  }

  async produce(request: ProduceRequest): Promise<readonly RefusedBatch[]> {
    const { acks, timeoutMs, compression, producer, batches } = request;
    const answer = await this.#broker.produce({
      acks,
      timeout: timeoutMs,
      compression: compressionTypes[compression],
      ...(producer === undefined ? {} : { producerId: producer.id, producerEpoch: producer.epoch }),
      topicData: [...byTopic(batches)].map(([topic, ofTopic]) => ({
        topic,
        partitions: ofTopic.map(({ partition, firstSequence, records }) => ({
          partition,
          firstSequence,
          messages: records,
        })),
      })),
    });
    const refused: RefusedBatch[] = [];
    for (const { topicName: topic, partitions } of answer?.topics ?? [])
      for (const { partition, error } of partitions)
        if (error !== undefined) refused.push({ topic, partition, error });
    return refused;
  }

  async newProducer(timeoutMs: number): Promise<Producer> {
    const answer = await this.#broker.initProducerId({ transactionTimeout: timeoutMs });
    return { id: answer.producerId, epoch: answer.producerEpoch };
  }

  async offsets(
    asked: PartitionsByTopic,
    timestamp: number,
    isolationLevel: number,
  ): Promise<readonly PartitionOffset[]> {
    const { responses } = await this.#broker.listOffsets({
      isolationLevel,
      topics: [...asked].map(([topic, ids]) => ({
        topic,
        partitions: ids.map((partition) => ({ partition, timestamp })),
      })),
    });
    return responses.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) })),
    );
  }

  async createTopic(topic: string, numPartitions: number, replicationFactor: number): Promise<void> {
    try {
      await this.#broker.createTopics({ topics: [{ topic, numPartitions, replicationFactor }] });
    } catch (error) {
      const errors = (error as { errors?: readonly { type?: string }[] }).errors ?? [];
      if (errors[0]?.type !== 'TOPIC_ALREADY_EXISTS') throw error;
    }
  }

  async configured(
    of: 'topic' | 'broker',
    name: string,
    property: string,
  ): Promise<string | null | undefined> {
    const { resources } = await this.#broker.describeConfigs({
      resources: [{ type: resourceTypes[of], name, configNames: [property] }],
    });
    return resources[0]?.configEntries[0]?.configValue;
  }
}
