import type { Cluster, Consumer, Kafka, PartitionAssigner, RetryOptions } from 'kafkajs';
import { type KafkajsMetadata, type LenientBroker, lenient } from './lenient-broker.ts';
import { type ConnectionPool, correctConnections } from './connection-fixes.ts';
import { KafkaFailure } from '../../failure.ts';
import type { Broker, Connections, Coordinator, GroupTimes, Metadata } from '../../protocol/broker.ts';
import { firstAnswer, lateMs } from '../../protocol/first-answer.ts';
import { KafkajsBroker } from '../broker.ts';
import { coordinatorOf } from '../coordinator.ts';

/** kafkajs does not retry, because the engine does: it can stop when it closes. */
export const noRetries: RetryOptions = { retries: 0, initialRetryTime: 100, maxRetryTime: 1000 };

/** A cluster of kafkajs, with what its types leave out. */
interface AnyCluster {
  readonly brokerPool?: Partial<BrokerPool>;
}

interface BrokerPool {
  findBroker(broker: { readonly nodeId: string }): Promise<LenientBroker>;
  createBroker: (options: unknown) => LenientBroker;
  connectionPoolBuilder: { readonly build: (options: unknown) => Promise<ConnectionPool> };
}

/**
 * Opens connections. The documented access to them is a partition assigner, so each set of connections has a consumer, which is
 * not used otherwise: see docs/decisions/0010-kafka-consumers.md.
 *
 * @param answerMs - How long a broker may take for an answer before its connection is replaced, unless `kafka` says less.
 */
export function openConnections(kafka: Kafka, groupId: string, answerMs: number): Connections {
  let given: Cluster | undefined;
  const assigner: PartitionAssigner = ({ cluster }) => {
    given = cluster;
    return {
      name: 'none',
      version: 0,
      assign: () => Promise.resolve([]),
      protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }),
    };
  };
  const consumer = kafka.consumer({
    groupId,
    partitionAssigners: [assigner],
    allowAutoTopicCreation: false,
    retry: noRetries,
  });
  const { createBroker, connectionPoolBuilder } = (given as AnyCluster | undefined)?.brokerPool ?? {};
  if (given === undefined || createBroker === undefined || connectionPoolBuilder === undefined) {
    throw new KafkaFailure(
      'lasting',
      'This version of kafkajs does not give its connections to partition assigners.',
      undefined,
    );
  }
  const pool = (given as AnyCluster).brokerPool as BrokerPool;
  pool.connectionPoolBuilder = {
    build: async (options) => {
      const built = await connectionPoolBuilder.build(options);
      correctConnections(built, answerMs);
      return built;
    },
  };
  return new KafkajsConnections(given, consumer, pool);
}

class KafkajsConnections implements Connections {
  seen: Metadata | undefined;
  readonly #cluster: Cluster;
  /** The consumer that owns the connections. It is connected and disconnected, and consumes nothing. */
  readonly #consumer: Consumer;
  readonly #pool: BrokerPool;
  /** How each broker is asked for metadata, without the others. */
  readonly #asks = new WeakMap<LenientBroker, LenientBroker['metadata']>();
  /** Brokers that have not answered in time. Others are asked at the same time until they do. */
  readonly #late = new WeakSet<LenientBroker>();
  #asked = 0;
  #answered = 0;

  constructor(cluster: Cluster, consumer: Consumer, pool: BrokerPool) {
    this.#cluster = cluster;
    this.#consumer = consumer;
    this.#pool = pool;
    const create = pool.createBroker;
    pool.createBroker = (options) => this.#observed(lenient(create(options)));
  }

  connect(): Promise<void> {
    return this.#consumer.connect();
  }

  close(): Promise<void> {
    return this.#consumer.disconnect();
  }

  ids(): readonly number[] {
    return this.#cluster.getNodeIds().map(Number);
  }

  async broker(id: number): Promise<Broker> {
    return new KafkajsBroker(await this.#brokerOf(id));
  }

  async #brokerOf(id: number): Promise<LenientBroker> {
    return (await this.#cluster.findBroker({ nodeId: String(id) })) as unknown as LenientBroker;
  }

  coordinator(groupId: string, times: GroupTimes): Promise<Coordinator> {
    const ids = this.ids();
    return coordinatorOf(ids, (id) => this.#brokerOf(id), groupId, times);
  }

  async look(): Promise<Metadata> {
    const before = this.#asked;
    // Always all topics: kafkajs never forgets a topic that was requested, and fails once the topic is deleted.
    await this.#cluster.refreshMetadata();
    // kafkajs has returned the answer of a request that was already in progress.
    if (this.#answered <= before) await this.#cluster.refreshMetadata();
    if (this.seen === undefined) throw new KafkaFailure('passing', 'no broker returns metadata', undefined);
    return this.seen;
  }

  #observed(broker: LenientBroker): LenientBroker {
    const ask = broker.metadata.bind(broker);
    this.#asks.set(broker, ask);
    broker.metadata = async (topics) => {
      const turn = ++this.#asked;
      const asked = ask(topics);
      const waitMs = this.#late.has(broker) ? 0 : lateMs;
      const answer = await firstAnswer(asked, waitMs, () => {
        this.#late.add(broker);
        const answered = (): unknown => this.#late.delete(broker);
        asked.then(answered, answered);
        return this.#askOthers(broker, topics);
      });
      // A broker that has just started. Its topics are missing, too, and must not count as deleted.
      if (answer.brokers.length === 0)
        throw new KafkaFailure('passing', 'a broker does not know its cluster yet', undefined);
      if (turn > this.#answered) {
        this.#answered = turn;
        this.seen = metadataOf(answer);
      }
      return answer;
    };
    return broker;
  }

  #askOthers(broker: LenientBroker, topics: readonly string[] | undefined): Promise<KafkajsMetadata>[] {
    const others = this.#cluster
      .getNodeIds()
      .map(String)
      .filter((id) => id !== String(broker.nodeId));
    return others.map(async (nodeId) => {
      // Of the pool, because the cluster would look up metadata after a failure and wait for the lookup that waits for this.
      const other = await this.#pool.findBroker({ nodeId });
      return this.#asks.get(other)!(topics);
    });
  }
}

function metadataOf({ topicMetadata, controllerId = -1 }: KafkajsMetadata): Metadata {
  const leadersOf = ({ partitionMetadata }: KafkajsMetadata['topicMetadata'][number]): number[] => {
    const leaders: number[] = [];
    for (const { partitionId, leader } of partitionMetadata) leaders[partitionId] = leader;
    return leaders;
  };
  return { controllerId, topics: new Map(topicMetadata.map((one) => [one.topic, leadersOf(one)])) };
}
