import { backoffMs } from '@polybus/core/engine-kit';
import kafkajs from 'kafkajs';
import type { Cluster, Kafka } from 'kafkajs';
import type {
  FetchRequest,
  FetchedPartition,
  GroupSession,
  KafkaClient,
  OffsetPosition,
  OnLate,
  PartitionOffset,
  PartitionsByTopic,
  Refusal,
  TopicRecords,
} from '../kafka-client.ts';
import { byLeader } from '../by-leader.ts';
import { type LenientBroker, type TopicMetadata } from './connection/lenient-broker.ts';
import { type Connections, askAny, brokerOf, openConnections } from './connection/connections.ts';
import { toFailure } from './failure.ts';
import type { GroupTimes } from './coordinator.ts';
import { KafkajsGroup } from './group.ts';
import { KafkajsSender } from './sender.ts';
import type { Sockets } from './connection/sockets.ts';
import { withTimeout } from '../../with-timeout.ts';
import type { ProducerOptions } from '../../options/options.ts';
import { pause } from '../../pause.ts';

export interface KafkajsOptions extends GroupTimes {
  readonly producer: ProducerOptions;
  readonly readUncommitted: boolean;
  readonly connectTimeoutMs: number;
}

/** How long closing the connections may take, in milliseconds. */
const disconnectMs = 1000;
const initialBackoffMs = 100;
const maxBackoffMs = 1000;
/** How long a broker may take for an answer, in milliseconds. As in Kafka's Java client. */
const answerMs = 30_000;
const readCommitted = 1;
const readUncommitted = 0;
/** Special timestamps for the ends of a partition. */
const timestamps = { latest: -1, earliest: -2 } as const;

/** The client of the engine, over kafkajs. */
export class KafkajsClient implements KafkaClient {
  readonly #kafka: Kafka;
  readonly #options: KafkajsOptions;
  /** Undefined if the user gave a `Kafka`, which creates its own sockets. */
  readonly #sockets: Sockets | undefined;
  readonly #reading: Connections;
  readonly #groups = new Set<Connections>();
  readonly #closing = new AbortController();
  readonly #sender: KafkajsSender;

  constructor(kafka: Kafka, options: KafkajsOptions, sockets: Sockets | undefined) {
    this.#kafka = kafka;
    this.#options = options;
    this.#sockets = sockets;
    this.#reading = openConnections(kafka, 'polybus', answerMs);
    this.#sender = new KafkajsSender(kafka, options.producer);
  }

  get #cluster(): Cluster {
    return this.#reading.cluster;
  }

  async connect(): Promise<void> {
    const { signal } = this.#closing;
    const deadline = performance.now() + this.#options.connectTimeoutMs;
    for (let failures = 1; ; failures++) {
      const waitMs = backoffMs(failures, initialBackoffMs, maxBackoffMs);
      try {
        const all = [this.#reading, this.#sender.connections];
        const attempt = Promise.all(all.map((one) => this.#connect(one)));
        await withTimeout(attempt, deadline - performance.now(), signal);
        await withTimeout(this.#reading.look(), deadline - performance.now(), signal);
        return;
      } catch (error) {
        const failure = toFailure(error);
        if (failure.kind !== 'passing' || signal.aborted || performance.now() + waitMs >= deadline)
          throw failure;
      }
      // Rejects if the client is closed meanwhile.
      await pause(waitMs, signal);
    }
  }

  async #connect({ consumer }: Connections): Promise<void> {
    await consumer.connect();
    // The user's `Kafka` may retry, and connect after `close` has ended the other connections.
    if (this.#closing.signal.aborted) await consumer.disconnect();
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the engine is closed'));
    this.#sockets?.close();
    const all = [...this.#groups, this.#reading, this.#sender.connections];
    const ends = all.map(({ consumer }) => consumer.disconnect());
    await withTimeout(Promise.allSettled(ends), disconnectMs).catch(() => {});
  }

  async topics(): Promise<ReadonlyMap<string, readonly number[]>> {
    return this.#try(async () => {
      // Always all topics: kafkajs never forgets a topic that was requested, and fails once the topic is deleted.
      const { topicMetadata } = await this.#reading.look();
      return new Map(topicMetadata.map((one) => [one.topic, leadersOf(one)]));
    });
  }

  async createTopic(topic: string, numPartitions: number, replicationFactor: number): Promise<void> {
    await this.#try(async () => {
      const topics = [{ topic, numPartitions, replicationFactor }];
      const create = async (broker: LenientBroker): Promise<void> => {
        try {
          await broker.createTopics({ topics });
        } catch (error) {
          const errors = (error as { errors?: readonly { type?: string }[] }).errors ?? [];
          if (errors[0]?.type !== 'TOPIC_ALREADY_EXISTS') throw error;
        }
      };
      await askAny(this.#cluster, create, this.#reading.seen?.controllerId);
    });
  }

  maxBatchBytes(topic: string): Promise<number | undefined> {
    const { TOPIC } = kafkajs.ConfigResourceTypes;
    return this.#configured('max.message.bytes', () => ({ type: TOPIC, name: topic }));
  }

  maxRequestBytes(): Promise<number | undefined> {
    const { BROKER } = kafkajs.ConfigResourceTypes;
    // A broker answers for itself alone.
    return this.#configured('socket.request.max.bytes', ({ nodeId }) => ({
      type: BROKER,
      name: String(nodeId),
    }));
  }

  #configured(
    property: string,
    resourceAt: (broker: LenientBroker) => { readonly type: number; readonly name: string },
  ): Promise<number | undefined> {
    return this.#try(async () => {
      const { resources } = await askAny(this.#cluster, (broker) =>
        broker.describeConfigs({ resources: [{ ...resourceAt(broker), configNames: [property] }] }),
      );
      const value = Number(resources[0]?.configEntries[0]?.configValue);
      return Number.isFinite(value) && value > 0 ? value : undefined;
    });
  }

  async offsets(partitions: PartitionsByTopic, at: OffsetPosition): Promise<readonly PartitionOffset[]> {
    // Kafka refuses times before the epoch, or takes them for special timestamps.
    const timestamp =
      at instanceof Date && at.getTime() > 0 ? at.getTime() : timestamps[at === 'latest' ? at : 'earliest'];
    return this.#try(async () => {
      const asked = [...this.#byLeader(partitions)].map(([leader, led]) =>
        this.#offsetsAt(leader, led, timestamp),
      );
      return (await Promise.all(asked)).flat();
    });
  }

  async #offsetsAt(leader: number, led: PartitionsByTopic, timestamp: number): Promise<PartitionOffset[]> {
    const broker = await brokerOf(this.#cluster, leader);
    const { responses } = await broker.listOffsets({
      isolationLevel: this.#isolationLevel,
      topics: [...led].map(([topic, ids]) => ({
        topic,
        partitions: ids.map((partition) => ({ partition, timestamp })),
      })),
    });
    return responses.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) })),
    );
  }

  async fetch(broker: number, request: FetchRequest): Promise<readonly FetchedPartition[]> {
    const { positions, maxWaitMs, maxBytes, maxBytesPerPartition } = request;
    return this.#try(async () => {
      const connected = await brokerOf(this.#cluster, broker);
      const { partitions } = await connected.fetch({
        isolationLevel: this.#isolationLevel,
        maxWaitTime: maxWaitMs,
        minBytes: 1,
        maxBytes,
        topics: positions.map(({ topic, partition, offset }) => ({
          topic,
          partitions: [{ partition, fetchOffset: String(offset), maxBytes: maxBytesPerPartition }],
        })),
      });
      return partitions;
    });
  }

  get #isolationLevel(): number {
    return this.#options.readUncommitted ? readUncommitted : readCommitted;
  }

  send(batch: readonly TopicRecords[], onLate?: OnLate): Promise<readonly Refusal[]> {
    return this.#try(() => this.#sender.send(batch, onLate));
  }

  resetProducer(): void {
    this.#sender.reset();
  }

  group(groupId: string): GroupSession {
    // An answer that takes longer is useless, because the session has ended.
    const connections = openConnections(this.#kafka, groupId, this.#options.sessionTimeoutMs);
    this.#groups.add(connections);
    return new KafkajsGroup(connections, this.#reading, groupId, this.#options, async () => {
      this.#groups.delete(connections);
      await withTimeout(connections.consumer.disconnect(), disconnectMs).catch(() => {});
    });
  }

  /** The partitions that have a leader, by that leader. */
  #byLeader(partitions: PartitionsByTopic): ReadonlyMap<number, PartitionsByTopic> {
    const known = new Map(this.#reading.seen?.topicMetadata.map((one) => [one.topic, leadersOf(one)]));
    return byLeader(partitions, (topic, partition) => known.get(topic)?.[partition]);
  }

  async #try<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toFailure(error);
    }
  }
}

function leadersOf({ partitionMetadata }: TopicMetadata): number[] {
  const leaders: number[] = [];
  for (const { partitionId, leader } of partitionMetadata) leaders[partitionId] = leader;
  return leaders;
}
