import kafkajs from 'kafkajs';
import type { GroupMember, GroupMemberAssignment } from 'kafkajs';
import { withTimeout } from '../../with-timeout.ts';
import { KafkaFailure } from '../failure.ts';
import type {
  Assignment,
  CommittedOffset,
  GroupSession,
  Joined,
  MemberTopics,
  PartitionsByTopic,
} from '../kafka-client.ts';
import { decodeAssignment } from './assignment.ts';
import type { Connections } from './connection/connections.ts';
import { type GroupCoordinator, type GroupTimes, coordinatorFor, coordinatorOf } from './coordinator.ts';
import { toFailure } from './failure.ts';

/** The name of the assignment protocol, which all members of a group must have in common. */
const protocolName = 'polybus';

/** A member of a group, over its own connections of kafkajs: a join blocks later requests of its connection. */
export class KafkajsGroup implements GroupSession {
  readonly #connections: Connections;
  readonly #others: Connections;
  readonly #groupId: string;
  readonly #times: GroupTimes;
  readonly #disconnect: () => Promise<void>;
  #connecting: Promise<void> | undefined;
  #coordinator: GroupCoordinator | undefined;
  #memberId = '';
  #generation = -1;
  #isJoining = false;
  #isLeaving = false;

  /** @param others - Connections that no join blocks. */
  constructor(
    connections: Connections,
    others: Connections,
    groupId: string,
    times: GroupTimes,
    disconnect: () => Promise<void>,
  ) {
    this.#connections = connections;
    this.#others = others;
    this.#groupId = groupId;
    this.#times = times;
    this.#disconnect = disconnect;
  }

  async join(
    topics: readonly string[],
    userData: string,
    assign: (members: readonly MemberTopics[]) => Promise<ReadonlyMap<string, Assignment>>,
  ): Promise<Joined> {
    this.#isJoining = true;
    try {
      return await this.#join(await this.#found(), topics, userData, assign);
    } catch (error) {
      throw this.#failed(error, this.#memberId, this.#generation);
    } finally {
      this.#isJoining = false;
    }
  }

  async #join(
    coordinator: GroupCoordinator,
    topics: readonly string[],
    userData: string,
    assign: (members: readonly MemberTopics[]) => Promise<ReadonlyMap<string, Assignment>>,
  ): Promise<Joined> {
    const metadata = kafkajs.AssignerProtocol.MemberMetadata.encode({
      version: 0,
      topics: [...topics],
      userData: Buffer.from(userData),
    });
    const groupId = this.#groupId;
    const joined = await coordinator.joinGroup({
      groupId,
      sessionTimeout: this.#times.sessionTimeoutMs,
      rebalanceTimeout: this.#times.rebalanceTimeoutMs,
      memberId: this.#memberId,
      groupProtocols: [{ name: protocolName, metadata }],
    });
    this.#memberId = joined.memberId;
    this.#generation = joined.generationId;
    const isLeader = joined.leaderId === joined.memberId;
    const groupAssignment = isLeader ? encodeAssignments(await assign(joined.members.map(topicsOf))) : [];
    const aliveAt = performance.now();
    const synced = await coordinator.syncGroup({
      groupId,
      generationId: joined.generationId,
      memberId: joined.memberId,
      groupAssignment,
    });
    const partitions = decodeAssignment(synced.memberAssignment);
    return { memberId: joined.memberId, generation: joined.generationId, partitions, aliveAt };
  }

  async heartbeat(): Promise<void> {
    await this.#ask((coordinator) =>
      coordinator.heartbeat({
        groupId: this.#groupId,
        groupGenerationId: this.#generation,
        memberId: this.#memberId,
      }),
    );
  }

  async committed(partitions: PartitionsByTopic): Promise<readonly CommittedOffset[]> {
    const topics = [...partitions].map(([topic, ids]) => ({
      topic,
      partitions: ids.map((partition) => ({ partition })),
    }));
    if (topics.length === 0) return [];
    const { responses } = await this.#ask((coordinator) =>
      coordinator.offsetFetch({ groupId: this.#groupId, topics }),
    );
    return responses.flatMap((one) =>
      one.partitions.map(({ partition, offset, metadata }) => ({
        topic: one.topic,
        partition,
        offset: Number(offset),
        metadata: metadata ?? '',
      })),
    );
  }

  async commit(offsets: readonly CommittedOffset[]): Promise<void> {
    const byTopic = new Map<string, CommittedOffset[]>();
    for (const one of offsets) byTopic.set(one.topic, [...(byTopic.get(one.topic) ?? []), one]);
    await this.#ask((coordinator) =>
      coordinator.offsetCommit({
        groupId: this.#groupId,
        groupGenerationId: this.#generation,
        memberId: this.#memberId,
        topics: [...byTopic].map(([topic, ofTopic]) => ({
          topic,
          partitions: ofTopic.map(({ partition, offset, metadata }) => ({
            partition,
            offset: String(offset),
            metadata,
          })),
        })),
      }),
    );
  }

  async leave(): Promise<void> {
    this.#isLeaving = true;
    const memberId = this.#memberId;
    if (memberId === '') return;
    this.#memberId = '';
    const groupId = this.#groupId;
    if (!this.#isJoining)
      return void (await this.#ask((coordinator) => coordinator.leaveGroup({ groupId, memberId })));
    try {
      const coordinator = await coordinatorOf(this.#others.cluster, groupId);
      await coordinator.leaveGroup({ groupId, memberId });
    } catch (error) {
      throw toFailure(error);
    }
  }

  close(): Promise<void> {
    return this.#disconnect();
  }

  /** Gives up after the session timeout, because the answer is useless then. */
  async #ask<T>(question: (coordinator: GroupCoordinator) => Promise<T>): Promise<T> {
    const [memberId, generation] = [this.#memberId, this.#generation];
    try {
      const asked = this.#found().then((coordinator) => question(coordinator));
      return await withTimeout(asked, this.#times.sessionTimeoutMs);
    } catch (error) {
      throw this.#failed(error, memberId, generation);
    }
  }

  /** @param memberId - The member and the generation of the request that failed. */
  #failed(error: unknown, memberId: string, generation: number): KafkaFailure {
    const failure = toFailure(error);
    // The group may have moved to another broker.
    if (failure.kind === 'passing') this.#coordinator = undefined;
    // The next join is that of a new member, unless the request belongs to an earlier generation.
    if (failure.kind === 'fenced' && this.#memberId === memberId && this.#generation === generation)
      this.#memberId = '';
    return failure;
  }

  /** The id of a new member, which `leave` needs even before the join has ended. */
  readonly #onMemberId = (memberId: string): void => {
    if (this.#isLeaving) throw new KafkaFailure('lasting', 'the member leaves its group', undefined);
    this.#memberId = memberId;
  };

  async #found(): Promise<GroupCoordinator> {
    return (this.#coordinator ??= coordinatorFor(
      await this.#findCoordinator(),
      this.#times,
      this.#onMemberId,
    ));
  }

  async #findCoordinator(): Promise<GroupCoordinator> {
    const { consumer, cluster } = this.#connections;
    this.#connecting ??= consumer.connect();
    await this.#connecting.catch((error: unknown) => {
      this.#connecting = undefined;
      throw error;
    });
    await cluster.refreshMetadata();
    return coordinatorOf(cluster, this.#groupId);
  }
}

function topicsOf({ memberId, memberMetadata }: GroupMember): MemberTopics {
  const decoded = kafkajs.AssignerProtocol.MemberMetadata.decode(memberMetadata);
  return { id: memberId, topics: decoded?.topics ?? [], userData: decoded?.userData.toString() ?? '' };
}

function encodeAssignments(assignments: ReadonlyMap<string, Assignment>): GroupMemberAssignment[] {
  return [...assignments].map(([memberId, topics]) => ({
    memberId,
    memberAssignment: kafkajs.AssignerProtocol.MemberAssignment.encode({
      version: 0,
      assignment: Object.fromEntries([...topics].map(([topic, partitions]) => [topic, [...partitions]])),
      userData: Buffer.alloc(0),
    }),
  }));
}
