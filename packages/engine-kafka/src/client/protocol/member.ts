import kafkajs from 'kafkajs';
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
import type { Connections, Coordinator, GroupTimes, JoinAnswer, MemberAssignment } from './broker.ts';
import { toFailure } from './to-failure.ts';

/** The name of the assignment protocol, which all members of a group must have in common. */
const protocolName = 'polybus';

/** A member of a group, over its own connections: a join blocks later requests of its connection. */
export class Member implements GroupSession {
  readonly #connections: Connections;
  readonly #others: Connections;
  readonly #groupId: string;
  readonly #times: GroupTimes;
  readonly #disconnect: () => Promise<void>;
  #connecting: Promise<void> | undefined;
  #coordinator: Coordinator | undefined;
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
    coordinator: Coordinator,
    topics: readonly string[],
    userData: string,
    assign: (members: readonly MemberTopics[]) => Promise<ReadonlyMap<string, Assignment>>,
  ): Promise<Joined> {
    const metadata = kafkajs.AssignerProtocol.MemberMetadata.encode({
      version: 0,
      topics: [...topics],
      userData: Buffer.from(userData),
    });
    const joined = await coordinator.join({
      protocol: protocolName,
      metadata,
      memberId: this.#memberId,
      onMemberId: this.#onMemberId,
    });
    const { memberId, generation } = joined;
    this.#memberId = memberId;
    this.#generation = generation;
    const isLeader = joined.leaderId === memberId;
    const assignments = isLeader ? encodeAssignments(await assign(joined.members.map(topicsOf))) : [];
    const aliveAt = performance.now();
    const assigned = await coordinator.sync(generation, memberId, assignments);
    return { memberId, generation, partitions: decodeAssignment(assigned), aliveAt };
  }

  async heartbeat(): Promise<void> {
    await this.#ask((coordinator) => coordinator.heartbeat(this.#generation, this.#memberId));
  }

  async committed(partitions: PartitionsByTopic): Promise<readonly CommittedOffset[]> {
    if (partitions.size === 0) return [];
    return this.#ask((coordinator) => coordinator.committed(partitions));
  }

  async commit(offsets: readonly CommittedOffset[]): Promise<void> {
    await this.#ask((coordinator) => coordinator.commit(this.#generation, this.#memberId, offsets));
  }

  async leave(): Promise<void> {
    this.#isLeaving = true;
    const memberId = this.#memberId;
    if (memberId === '') return;
    this.#memberId = '';
    if (!this.#isJoining) return this.#ask((coordinator) => coordinator.leave(memberId));
    try {
      const coordinator = await this.#others.coordinator(this.#groupId, this.#times);
      await coordinator.leave(memberId);
    } catch (error) {
      throw toFailure(error);
    }
  }

  close(): Promise<void> {
    return this.#disconnect();
  }

  /** Gives up after the session timeout, because the answer is useless then. */
  async #ask<T>(question: (coordinator: Coordinator) => Promise<T>): Promise<T> {
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

  async #found(): Promise<Coordinator> {
    return (this.#coordinator ??= await this.#findCoordinator());
  }

  async #findCoordinator(): Promise<Coordinator> {
    this.#connecting ??= this.#connections.connect();
    await this.#connecting.catch((error: unknown) => {
      this.#connecting = undefined;
      throw error;
    });
    await this.#connections.look();
    return this.#connections.coordinator(this.#groupId, this.#times);
  }
}

function topicsOf({ id, metadata }: JoinAnswer['members'][number]): MemberTopics {
  const decoded = kafkajs.AssignerProtocol.MemberMetadata.decode(metadata);
  return { id, topics: decoded?.topics ?? [], userData: decoded?.userData.toString() ?? '' };
}

function encodeAssignments(assignments: ReadonlyMap<string, Assignment>): MemberAssignment[] {
  return [...assignments].map(([memberId, topics]) => ({
    memberId,
    assignment: kafkajs.AssignerProtocol.MemberAssignment.encode({
      version: 0,
      assignment: Object.fromEntries([...topics].map(([topic, partitions]) => [topic, [...partitions]])),
      userData: Buffer.alloc(0),
    }),
  }));
}
