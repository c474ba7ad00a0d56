import type { GroupMember, GroupMemberAssignment, GroupState, TopicOffsets } from 'kafkajs';
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
import { firstAnswerOf } from '../protocol/first-answer.ts';
import type { LenientBroker } from './connection/lenient-broker.ts';

/** The requests of kafkajs's broker for groups. */
interface GroupBroker {
  findGroupCoordinator(request: {
    groupId: string;
    coordinatorType: number;
  }): Promise<{ readonly coordinator: { readonly nodeId: number } }>;
  joinGroup(request: {
    groupId: string;
    sessionTimeout: number;
    rebalanceTimeout: number;
    memberId: string;
    groupProtocols: readonly GroupState[];
  }): Promise<{ generationId: number; leaderId: string; memberId: string; members: readonly GroupMember[] }>;
  syncGroup(request: {
    groupId: string;
    generationId: number;
    memberId: string;
    groupAssignment: readonly GroupMemberAssignment[];
  }): Promise<{ memberAssignment: Buffer }>;
  heartbeat(request: { groupId: string; groupGenerationId: number; memberId: string }): Promise<unknown>;
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>;
  offsetCommit(request: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
    topics: readonly unknown[];
  }): Promise<unknown>;
  offsetFetch(request: { groupId: string; topics: readonly unknown[] }): Promise<{
    responses: readonly TopicOffsetsWithMetadata[];
  }>;
}

interface TopicOffsetsWithMetadata extends Omit<TopicOffsets, 'partitions'> {
  readonly partitions: readonly { partition: number; offset: string; metadata?: string | null }[];
}

const ofGroups = 0;

/**
 * Finds the coordinator of a group through any broker. kafkajs's cluster has a `findGroupCoordinator`, too, which hides why no
 * coordinator was found.
 */
export async function coordinatorOf(
  ids: readonly number[],
  brokerOf: (id: number) => Promise<LenientBroker>,
  groupId: string,
  times: GroupTimes,
): Promise<Coordinator> {
  const { coordinator } = await firstAnswerOf(ids, async (id) => {
    const broker = (await brokerOf(id)) as unknown as GroupBroker;
    return broker.findGroupCoordinator({ groupId, coordinatorType: ofGroups });
  });
  return new KafkajsCoordinator(await brokerOf(coordinator.nodeId), groupId, times);
}

class KafkajsCoordinator implements Coordinator {
  readonly #groupId: string;
  readonly #times: GroupTimes;
  readonly #broker: GroupBroker;
  #onMemberId: (memberId: string) => void = () => {};

  constructor(broker: LenientBroker, groupId: string, times: GroupTimes) {
    this.#groupId = groupId;
    this.#times = times;
    this.#broker = patient(broker, times, (memberId) => this.#onMemberId(memberId));
  }

  async join({ protocol, metadata, memberId, onMemberId }: JoinRequest): Promise<JoinAnswer> {
    this.#onMemberId = onMemberId;
    const joined = await this.#broker.joinGroup({
      groupId: this.#groupId,
      sessionTimeout: this.#times.sessionTimeoutMs,
      rebalanceTimeout: this.#times.rebalanceTimeoutMs,
      memberId,
      groupProtocols: [{ name: protocol, metadata }],
    });
    return {
      memberId: joined.memberId,
      leaderId: joined.leaderId,
      generation: joined.generationId,
      members: joined.members.map((one) => ({ id: one.memberId, metadata: one.memberMetadata })),
    };
  }

  async sync(
    generationId: number,
    memberId: string,
    assignments: readonly MemberAssignment[],
  ): Promise<Buffer> {
    const groupAssignment = assignments.map((one) => ({
      memberId: one.memberId,
      memberAssignment: one.assignment,
    }));
    const request = { groupId: this.#groupId, generationId, memberId, groupAssignment };
    return (await this.#broker.syncGroup(request)).memberAssignment;
  }

  async heartbeat(groupGenerationId: number, memberId: string): Promise<void> {
    await this.#broker.heartbeat({ groupId: this.#groupId, groupGenerationId, memberId });
  }

  async committed(partitions: PartitionsByTopic): Promise<readonly CommittedOffset[]> {
    const topics = [...partitions].map(([topic, ids]) => ({
      topic,
      partitions: ids.map((partition) => ({ partition })),
    }));
    const { responses } = await this.#broker.offsetFetch({ groupId: this.#groupId, topics });
    return responses.flatMap((one) =>
      one.partitions.map(({ partition, offset, metadata }) => ({
        topic: one.topic,
        partition,
        offset: Number(offset),
        metadata: metadata ?? '',
      })),
    );
  }

  async commit(
    groupGenerationId: number,
    memberId: string,
    offsets: readonly CommittedOffset[],
  ): Promise<void> {
    const topics = [...byTopic(offsets)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition, offset, metadata }) => ({
        partition,
        offset: String(offset),
        metadata,
      })),
    }));
    await this.#broker.offsetCommit({ groupId: this.#groupId, groupGenerationId, memberId, topics });
  }

  async leave(memberId: string): Promise<void> {
    await this.#broker.leaveGroup({ groupId: this.#groupId, memberId });
  }
}

type Lookup = LenientBroker['lookupRequest'];
type Request = ReturnType<ReturnType<Lookup>> & { readonly requestTimeout?: number | null };
type Parse = Request['response']['parse'];

const apiKeys = { joinGroup: 11, syncGroup: 14 };

/**
 * A coordinator for one member of a group. kafkajs would give up on an answer after the time that a publish may take, which can be
 * less than a rebalance takes, and would return the id of a new member only after the join.
 */
function patient(
  broker: LenientBroker,
  times: GroupTimes,
  onMemberId: (memberId: string) => void,
): GroupBroker {
  const lookupRequest: Lookup = (apiKey, definition) => {
    const protocol = broker.lookupRequest(apiKey, definition);
    return (args) => {
      const made: Request = protocol(args);
      const waitMs =
        apiKey === apiKeys.syncGroup ? times.rebalanceTimeoutMs + rebalanceLatencyMs : times.sessionTimeoutMs;
      const { response } = made;
      const parse = apiKey === apiKeys.joinGroup ? withMemberId(response.parse, onMemberId) : response.parse;
      // kafkajs takes the larger one of this and its own.
      const requestTimeout = Math.max(made.requestTimeout ?? 0, waitMs);
      return { ...made, requestTimeout, response: { ...response, parse } };
    };
  };
  return Object.create(broker, { lookupRequest: { value: lookupRequest } }) as GroupBroker;
}

/** A coordinator refuses the first join of a new member with an error that holds its id. kafkajs then joins again by itself. */
function withMemberId(parse: Parse, onMemberId: (memberId: string) => void): Parse {
  return async (data) => {
    try {
      return await parse(data);
    } catch (error) {
      const { memberId } = error as { memberId?: unknown };
      if (typeof memberId === 'string') onMemberId(memberId);
      throw error;
    }
  };
}
