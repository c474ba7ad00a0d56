import type { Broker, Cluster, Consumer, Kafka, PartitionAssigner, RetryOptions } from 'kafkajs';
import type { GroupCoordinator } from './kafkajs-group.ts';
import { KafkaFailure } from './client-port.ts';

/** The engine tries again itself, and so can stop trying when it closes. */
export const noRetries: RetryOptions = { retries: 0, initialRetryTime: 100, maxRetryTime: 1000 };

/** Connections of kafkajs to the brokers of a cluster. */
export interface Connections {
  readonly cluster: Cluster;
  /** The consumer they belong to: it is connected and disconnected, and consumes nothing. */
  readonly consumer: Consumer;
}

/**
 * kafkajs gives its connections to partition assigners, and that is the documented way to them. Its own consumer is not used
 * beyond that: see docs/decisions/0010-kafka-consumers.md.
 */
export function openConnections(kafka: Kafka, groupId: string): Connections {
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
  if (given === undefined) {
    throw new KafkaFailure(
      'lasting',
      'This version of kafkajs gives its connections to no assigner.',
      undefined,
    );
  }
  return { cluster: given, consumer };
}

/** The broker of an id, connected. */
export async function brokerOf(cluster: Cluster, id: number): Promise<Broker> {
  return cluster.findBroker({ nodeId: String(id) });
}

/** What kafkajs's types leave out of a broker. */
interface AnyBroker {
  findGroupCoordinator(request: {
    groupId: string;
    coordinatorType: number;
  }): Promise<{ readonly coordinator: { readonly nodeId: number } }>;
}

const ofGroups = 0;

/**
 * The broker that looks after a group. Any broker is asked: the `findGroupCoordinator` of kafkajs's cluster does that too, but
 * keeps to itself why none could say.
 */
export async function coordinatorOf(cluster: Cluster, groupId: string): Promise<GroupCoordinator> {
  const ids = cluster.getNodeIds();
  const any = await cluster.findBroker({ nodeId: String(ids[Math.floor(Math.random() * ids.length)]) });
  const { coordinator } = await (any as unknown as AnyBroker).findGroupCoordinator({
    groupId,
    coordinatorType: ofGroups,
  });
  return (await brokerOf(cluster, coordinator.nodeId)) as unknown as GroupCoordinator;
}
