import type { Broker, Cluster, Consumer, Kafka, PartitionAssigner, RetryOptions } from 'kafkajs';
import { type LenientBroker, type Metadata, lenient } from './lenient-broker.ts';
import { type ConnectionPool, correctConnections } from './connection-fixes.ts';
import { KafkaFailure } from '../failure.ts';

/** The engine tries again itself, and so can stop trying when it closes. */
export const noRetries: RetryOptions = { retries: 0, initialRetryTime: 100, maxRetryTime: 1000 };

/** Connections of kafkajs to the brokers of a cluster. */
export interface Connections {
  readonly cluster: Cluster;
  /** The consumer they belong to: it is connected and disconnected, and consumes nothing. */
  readonly consumer: Consumer;
  /** What there is in the cluster, by an answer that was asked for after this was called. */
  look(): Promise<Metadata>;
  /** By the answer that came last. */
  readonly seen: Metadata | undefined;
}

/** What kafkajs's types leave out of a cluster. */
interface AnyCluster {
  readonly brokerPool?: Partial<BrokerPool>;
}

interface BrokerPool {
  createBroker: (options: unknown) => LenientBroker;
  connectionPoolBuilder: { readonly build: (options: unknown) => Promise<ConnectionPool> };
}

/**
 * kafkajs gives its connections to partition assigners, and that is the documented way to them. Its own consumer is not used
 * beyond that: see docs/decisions/0010-kafka-consumers.md.
 *
 * @param answerMs - How long a broker may take for an answer, before its connection is given up; less where `kafka` says less.
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
      'This version of kafkajs gives its connections to no assigner.',
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
    pool.createBroker = (options) => this.#overheard(lenient(create(options)));
  }

  async look(): Promise<Metadata> {
    const before = this.#asked;
    await this.cluster.refreshMetadata();
    // kafkajs has joined this one to another that was on its way.
    if (this.#answered <= before) await this.cluster.refreshMetadata();
    if (this.seen === undefined) throw new KafkaFailure('passing', 'no broker says what there is', undefined);
    return this.seen;
  }

  #overheard(broker: LenientBroker): LenientBroker {
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
