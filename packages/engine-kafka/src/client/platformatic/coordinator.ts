import type { CommittedOffset, PartitionsByTopic } from '../kafka-client.ts';
import { rebalanceLatencyMs } from '../protocol/answer-watch.ts';
import type {
  Coordinator,
  GroupTimes,
  JoinAnswer,
  JoinRequest,
  MemberAssignment,
} from '../protocol/broker.ts';
import { byTopic } from '../protocol/by-topic.ts';
import type { BrokerConnection } from './connection.ts';
import type { Package } from './package.ts';

/** The type of protocol with which kafkajs and the clients of Kafka itself join groups. */
const protocolType = 'consumer';

/** Requests to the coordinator of a group with the package's functions. */
export class PlatformaticCoordinator implements Coordinator {
  readonly #package: Package;
  readonly #connection: BrokerConnection;
  readonly #groupId: string;
  readonly #times: GroupTimes;

  constructor(from: Package, connection: BrokerConnection, groupId: string, times: GroupTimes) {
    this.#package = from;
    this.#connection = connection;
    this.#groupId = groupId;
    this.#times = times;
  }

  async join(request: JoinRequest): Promise<JoinAnswer> {
    try {
      return await this.#join(request, request.memberId);
    } catch (error) {
      // A coordinator refuses the first join of a new member with an error that holds its id.
      const memberId = newMemberIdOf(error);
      if (memberId === undefined) throw error;
      request.onMemberId(memberId);
      return this.#join(request, memberId);
    }
  }

  async #join({ protocol, metadata }: JoinRequest, memberId: string): Promise<JoinAnswer> {
    const { joinGroupV6 } = this.#package;
    const { sessionTimeoutMs, rebalanceTimeoutMs } = this.#times;
    const protocols = [{ name: protocol, metadata }];
    const joined = await this.#connection.send(
      joinGroupV6,
      () =>
        joinGroupV6.createRequest(
          this.#groupId,
          sessionTimeoutMs,
          rebalanceTimeoutMs,
          memberId,
          null,
          protocolType,
          protocols,
          null,
        ),
      joinGroupV6.parseResponse,
      this.#rebalanceMs,
    );
    return {
      memberId: joined.memberId ?? '',
      leaderId: joined.leader,
      generation: joined.generationId,
      members: (joined.members ?? []).map((one) => ({
        id: one.memberId,
        metadata: one.metadata ?? Buffer.alloc(0),
      })),
    };
  }

  get #rebalanceMs(): number {
    return Math.max(this.#connection.answerMs, this.#times.rebalanceTimeoutMs + rebalanceLatencyMs);
  }

  async sync(
    generation: number,
    memberId: string,
    assignments: readonly MemberAssignment[],
  ): Promise<Buffer> {
    const { syncGroupV4 } = this.#package;
    const { assignment } = await this.#connection.send(
      syncGroupV4,
      () =>
        syncGroupV4.createRequest(this.#groupId, generation, memberId, null, null, null, [...assignments]),
      syncGroupV4.parseResponse,
      this.#rebalanceMs,
    );
    return assignment;
  }

  async heartbeat(generation: number, memberId: string): Promise<void> {
    await this.#connection.ask(this.#package.heartbeatV4, this.#groupId, generation, memberId, null);
  }

  async committed(partitions: PartitionsByTopic): Promise<readonly CommittedOffset[]> {
    const topics = [...partitions].map(([name, ids]) => ({ name, partitionIndexes: [...ids] }));
    const group = { groupId: this.#groupId, topics };
    const { groups } = await this.#connection.ask(this.#package.offsetFetchV8, [group] as never, false);
    return (groups[0]?.topics ?? []).flatMap((one) =>
      one.partitions.map(({ partitionIndex, committedOffset, metadata }) => ({
        topic: one.name,
        partition: partitionIndex,
        offset: Number(committedOffset),
        metadata: metadata ?? '',
      })),
    );
  }

  async commit(generation: number, memberId: string, offsets: readonly CommittedOffset[]): Promise<void> {
    const topics = [...byTopic(offsets)].map(([name, ofTopic]) => ({
      name,
      partitions: ofTopic.map(({ partition, offset, metadata }) => ({
        partitionIndex: partition,
        committedOffset: BigInt(offset),
        committedLeaderEpoch: -1,
        committedMetadata: metadata,
      })),
    }));
    await this.#connection.ask(
      this.#package.offsetCommitV8,
      this.#groupId,
      generation,
      memberId,
      null,
      topics,
    );
  }

  async leave(memberId: string): Promise<void> {
    await this.#connection.ask(this.#package.leaveGroupV4, this.#groupId, [
      { memberId, groupInstanceId: null, reason: null },
    ]);
  }
}

function newMemberIdOf(error: unknown): string | undefined {
  const { errors, response } = error as {
    readonly errors?: readonly { readonly apiId?: string }[];
    readonly response?: { readonly memberId?: string };
  };
  return errors?.[0]?.apiId === 'MEMBER_ID_REQUIRED' ? response?.memberId : undefined;
}
