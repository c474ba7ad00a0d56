import kafkajs from 'kafkajs';
import type { Admin, Cluster, Kafka, Producer } from 'kafkajs';
import type {
  FetchRequest,
  FetchedPartition,
  GroupSession,
  KafkaClient,
  OffsetPosition,
  PartitionOffset,
  PartitionsByTopic,
  TopicRecords,
} from './client-port.ts';
import { type Connections, brokerOf, noRetries, openConnections } from './kafkajs-cluster.ts';
import { toFailure } from './kafkajs-failure.ts';
import { type RawFetchResponse, toFetched } from './kafkajs-fetch.ts';
import { type GroupTimes, KafkajsGroup } from './kafkajs-group.ts';
import { partitionerFor } from './kafkajs-partitioner.ts';
import type { Sockets } from './kafkajs-sockets.ts';
import { mendRequestTimers } from './kafkajs-timers.ts';
import { bounded } from './bounded.ts';
import type { ProducerOptions } from './options.ts';
import { pause } from './pause.ts';

export interface KafkajsOptions extends GroupTimes {
  readonly producer: ProducerOptions;
  readonly readUncommitted: boolean;
  readonly connectTimeoutMs: number;
}

/** How long an orderly end of the connections may take, in milliseconds. */
const disconnectMs = 1000;
const retryMs = 200;
const compressionTypes = {
  none: kafkajs.CompressionTypes.None,
  gzip: kafkajs.CompressionTypes.GZIP,
  snappy: kafkajs.CompressionTypes.Snappy,
  lz4: kafkajs.CompressionTypes.LZ4,
  zstd: kafkajs.CompressionTypes.ZSTD,
};
const readCommitted = 1;
const readUncommitted = 0;

/** kafkajs as the engine wants it. */
export class KafkajsClient implements KafkaClient {
  readonly #kafka: Kafka;
  readonly #options: KafkajsOptions;
  /** Of a client that is ours; one that was given makes its own. */
  readonly #sockets: Sockets | undefined;
  readonly #reading: Connections;
  readonly #groups = new Set<Connections>();
  readonly #closing = new AbortController();
  #producer: Producer;
  #admin: Promise<Admin> | undefined;

  constructor(kafka: Kafka, options: KafkajsOptions, sockets: Sockets | undefined) {
    mendRequestTimers();
    this.#kafka = kafka;
    this.#options = options;
    this.#sockets = sockets;
    this.#reading = openConnections(kafka, 'polybus');
    this.#producer = this.#newProducer();
  }

  get #cluster(): Cluster {
    return this.#reading.cluster;
  }

  async connect(): Promise<void> {
    const { signal } = this.#closing;
    const deadline = Date.now() + this.#options.connectTimeoutMs;
    for (;;) {
      try {
        const attempt = Promise.all([this.#reading.consumer.connect(), this.#producer.connect()]);
        await bounded(attempt, deadline - Date.now(), signal);
        await bounded(this.#cluster.refreshMetadata(), deadline - Date.now(), signal);
        return;
      } catch (error) {
        const failure = toFailure(error);
        if (failure.kind !== 'passing' || signal.aborted || Date.now() + retryMs >= deadline) throw failure;
      }
      // Where it is closed meanwhile, there is no other attempt.
      await pause(retryMs, signal);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the engine is closed'));
    this.#sockets?.close();
    const ends = [...this.#groups, this.#reading].map(({ consumer }) => consumer.disconnect());
    ends.push(this.#producer.disconnect());
    if (this.#admin !== undefined) ends.push(this.#admin.then((admin) => admin.disconnect()));
    await bounded(Promise.allSettled(ends), disconnectMs).catch(() => {});
  }

  async topics(): Promise<ReadonlyMap<string, readonly number[]>> {
    return this.#try(async () => {
      // The whole of it, always: kafkajs never forgets a topic that it was told to look after, and fails once that is gone.
      await this.#cluster.refreshMetadata();
      const { topicMetadata } = await this.#cluster.metadata();
      return new Map(
        topicMetadata.map(({ topic, partitionMetadata }) => {
          const leaders: number[] = [];
          for (const { partitionId, leader } of partitionMetadata) leaders[partitionId] = leader;
          return [topic, leaders];
        }),
      );
    });
  }

  async createTopic(topic: string, numPartitions: number, replicationFactor: number): Promise<void> {
    await this.#try(async () => {
      const admin = await this.#connectedAdmin();
      const topics = [{ topic, numPartitions, replicationFactor }];
      await admin.createTopics({ topics, waitForLeaders: false });
    });
  }

  async maxBatchBytes(topic: string): Promise<number | undefined> {
    return this.#try(async () => {
      const admin = await this.#connectedAdmin();
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [
          { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['max.message.bytes'] },
        ],
      });
      const value = Number(resources[0]?.configEntries[0]?.configValue);
      return Number.isFinite(value) && value > 0 ? value : undefined;
    });
  }

  async offsets(partitions: PartitionsByTopic, at: OffsetPosition): Promise<readonly PartitionOffset[]> {
    const position =
      at instanceof Date ? { fromTimestamp: at.getTime() } : { fromBeginning: at === 'earliest' };
    const topics = [...partitions].map(([topic, ids]) => ({
      topic,
      partitions: ids.map((partition) => ({ partition })),
      ...position,
    }));
    if (topics.length === 0) return [];
    return this.#try(async () => {
      const found = await this.#cluster.fetchTopicsOffset(topics);
      return found.flatMap(({ topic, partitions: ofTopic }) =>
        ofTopic.map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) })),
      );
    });
  }

  async fetch(broker: number, request: FetchRequest): Promise<readonly FetchedPartition[]> {
    const { positions, maxWaitMs, maxBytes, maxBytesPerPartition } = request;
    return this.#try(async () => {
      const connected = await brokerOf(this.#cluster, broker);
      const response = (await connected.fetch({
        isolationLevel: this.#options.readUncommitted ? readUncommitted : readCommitted,
        maxWaitTime: maxWaitMs,
        minBytes: 1,
        maxBytes,
        topics: positions.map(({ topic, partition, offset }) => ({
          topic,
          partitions: [{ partition, fetchOffset: String(offset), maxBytes: maxBytesPerPartition }],
        })),
      })) as RawFetchResponse;
      return toFetched(response);
    });
  }

  async send(batch: readonly TopicRecords[]): Promise<void> {
    const { acks, compression, requestTimeoutMs } = this.#options.producer;
    await this.#try(() =>
      this.#producer.sendBatch({
        acks,
        timeout: requestTimeoutMs,
        compression: compressionTypes[compression],
        topicMessages: batch.map(({ topic, records }) => ({ topic, messages: [...records] })),
      }),
    );
  }

  async resetProducer(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const old = this.#producer;
    this.#producer = this.#newProducer();
    void old.disconnect().catch(() => {});
    await this.#try(() => this.#producer.connect());
  }

  group(groupId: string): GroupSession {
    const connections = openConnections(this.#kafka, groupId);
    this.#groups.add(connections);
    return new KafkajsGroup(connections, groupId, this.#options, async () => {
      this.#groups.delete(connections);
      await bounded(connections.consumer.disconnect(), disconnectMs).catch(() => {});
    });
  }

  #newProducer(): Producer {
    const { idempotent, keyless } = this.#options.producer;
    return this.#kafka.producer({
      allowAutoTopicCreation: false,
      idempotent,
      // Later batches wait for earlier ones in the engine, too: that keeps the order over retries.
      ...(idempotent ? { maxInFlightRequests: 1 } : {}),
      createPartitioner: partitionerFor(keyless),
      // kafkajs makes no idempotent producer that does not try again.
      retry: idempotent ? { ...noRetries, retries: 1 } : noRetries,
    });
  }

  #connectedAdmin(): Promise<Admin> {
    const admin = this.#kafka.admin({ retry: noRetries });
    return (this.#admin ??= admin.connect().then(
      () => admin,
      (error: unknown) => {
        this.#admin = undefined;
        throw error;
      },
    ));
  }

  async #try<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toFailure(error);
    }
  }
}
