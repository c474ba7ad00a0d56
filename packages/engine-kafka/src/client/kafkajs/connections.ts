import type { Broker, Cluster, Consumer, Kafka, PartitionAssigner, RetryOptions } from 'kafkajs';
import { type LenientBroker, type Metadata, lenient } from './lenient-broker.ts';
import { type ConnectionPool, correctConnections } from './connection-fixes.ts';
import { KafkaFailure } from '../failure.ts';

/** kafkajs does not retry, because the engine does: it can stop when it closes. */
export const noRetries: RetryOptions = { retries: 0, initialRetryTime: 100, maxRetryTime: 1000 };

/** Connections of kafkajs to the brokers of a cluster. */
export interface Connections {
  readonly cluster: Cluster;
  /** The consumer that owns the connections. It is connected and disconnected, and consumes nothing. */
  readonly consumer: Consumer;
  /** The metadata of the cluster, from an answer that was requested after this call. */
  look(): Promise<Metadata>;
  /** The last answer. */
  readonly seen: Metadata | undefined;
}

/** A cluster of kafkajs, with what its types leave out. */
interface AnyCluster {
  readonly brokerPool?: Partial<BrokerPool>;
}

interface BrokerPool {
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
  return new LenientConnections(given, consumer, pool);
}

class LenientConnections implements Connections {
  readonly cluster: Cluster;
  readonly consumer: Consumer;
  seen: Metadata | undefined;
  #asked = 0;
  #answered = 0;

  constructor(cluster: Cluster, consumer: Consumer, pool: BrokerPool) {
    this.cluster = cluster;
    this.consumer = consumer;
    const create = pool.createBroker;
    pool.createBroker = (options) => this.#observed(lenient(create(options)));
  }

  async look(): Promise<Metadata> {
    const before = this.#asked;
    await this.cluster.refreshMetadata();
    // kafkajs has returned the answer of a request that was already in progress.
    if (this.#answered <= before) await this.cluster.refreshMetadata();
    if (this.seen === undefined) throw new KafkaFailure('passing', 'no broker returns metadata', undefined);
    return this.seen;
  }

  #observed(broker: LenientBroker): LenientBroker {
    const ask = broker.metadata.bind(broker);
    broker.metadata = async (topics) => {
      const turn = ++this.#asked;
      const answer = await ask(topics);
      if (turn > this.#answered) {
        this.#answered = turn;
        this.seen = answer;
      }
      return answer;
    };
    return broker;
  }
}

/** The broker of an id, connected. */
export async function brokerOf(cluster: Cluster, id: number): Promise<Broker & LenientBroker> {
  return (await cluster.findBroker({ nodeId: String(id) })) as Broker & LenientBroker;
}

/** Any broker. */
export async function anyBroker(cluster: Cluster): Promise<Broker & LenientBroker> {
  const ids = cluster.getNodeIds();
  return brokerOf(cluster, Number(ids[Math.floor(Math.random() * ids.length)]));
}
