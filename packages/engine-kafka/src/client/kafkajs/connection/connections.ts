import { settlesWithin } from '@polybus/core/engine-kit';
import type { Broker, Cluster, Consumer, Kafka, PartitionAssigner, RetryOptions } from 'kafkajs';
import { type LenientBroker, type Metadata, lenient } from './lenient-broker.ts';
import { type ConnectionPool, correctConnections } from './connection-fixes.ts';
import { KafkaFailure } from '../../failure.ts';

/** kafkajs does not retry, because the engine does: it can stop when it closes. */
export const noRetries: RetryOptions = { retries: 0, initialRetryTime: 100, maxRetryTime: 1000 };

/** How long a broker may take for an answer before others are asked too, in milliseconds. */
const lateMs = 1000;

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
  return new LenientConnections(given, consumer, pool);
}

class LenientConnections implements Connections {
  readonly cluster: Cluster;
  readonly consumer: Consumer;
  seen: Metadata | undefined;
  readonly #pool: BrokerPool;
  /** How each broker is asked for metadata, without the others. */
  readonly #asks = new WeakMap<LenientBroker, LenientBroker['metadata']>();
  /** Brokers that have not answered in time. Others are asked at the same time until they do. */
  readonly #late = new WeakSet<LenientBroker>();
  #asked = 0;
  #answered = 0;

  constructor(cluster: Cluster, consumer: Consumer, pool: BrokerPool) {
    this.cluster = cluster;
    this.consumer = consumer;
    this.#pool = pool;
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
        this.seen = answer;
      }
      return answer;
    };
    return broker;
  }

  #askOthers(broker: LenientBroker, topics: readonly string[] | undefined): Promise<Metadata>[] {
    const others = this.cluster
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

/** The broker of an id, connected. */
export async function brokerOf(cluster: Cluster, id: number): Promise<Broker & LenientBroker> {
  return (await cluster.findBroker({ nodeId: String(id) })) as Broker & LenientBroker;
}

/**
 * Asks a broker. If it does not answer soon, the first answer of another broker counts, too.
 *
 * @param preferred - The broker to ask first. By default any.
 */
export function askAny<T>(
  cluster: Cluster,
  ask: (broker: Broker & LenientBroker) => Promise<T>,
  preferred = -1,
): Promise<T> {
  const ids = cluster.getNodeIds().map(Number);
  const first = preferred < 0 ? (ids[Math.floor(Math.random() * ids.length)] ?? -1) : preferred;
  const askOne = async (id: number): Promise<T> => ask(await brokerOf(cluster, id));
  return firstAnswer(askOne(first), lateMs, () => ids.filter((id) => id !== first).map(askOne));
}

/** A broker that does not answer, although it is connected, does not hold up what others can answer. */
async function firstAnswer<T>(
  asked: Promise<T>,
  waitMs: number,
  askOthers: () => readonly Promise<T>[],
): Promise<T> {
  if (await settlesWithin(asked, waitMs)) return asked;
  return Promise.any([asked, ...askOthers()]);
}
