import type { Cluster, GroupMember, GroupMemberAssignment, GroupState, TopicOffsets } from 'kafkajs';
import { anyBroker, brokerOf } from './connections.ts';
import type { LenientBroker } from './lenient-broker.ts';

/** What kafkajs's broker does for groups. */
export interface GroupCoordinator {
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

export interface GroupTimes {
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
}

/** What kafkajs's types leave out of a broker, for groups. */
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
  const any = await anyBroker(cluster);
  const { coordinator } = await (any as unknown as AnyBroker).findGroupCoordinator({
    groupId,
    coordinatorType: ofGroups,
  });
  return (await brokerOf(cluster, coordinator.nodeId)) as unknown as GroupCoordinator;
}

type Lookup = LenientBroker['lookupRequest'];
type Request = ReturnType<ReturnType<Lookup>> & { readonly requestTimeout?: number | null };
type Parse = Request['response']['parse'];

const apiKeys = { joinGroup: 11, syncGroup: 14 };
/** As kafkajs adds it to what a join may take. */
const onTheWayMs = 5000;

/**
 * A broker of kafkajs for one member of a group. kafkajs gives up on an answer after the time that a publish may take, which can
 * be less than what members wait for each other; and which id a new member is given it says only once that has joined.
 *
 * @param onMemberId - Told of the id; what it throws ends the join.
 */
export function coordinatorFor(
  coordinator: GroupCoordinator,
  times: GroupTimes,
  onMemberId: (memberId: string) => void,
): GroupCoordinator {
  const broker = coordinator as unknown as LenientBroker;
  const lookupRequest: Lookup = (apiKey, definition) => {
    const protocol = broker.lookupRequest(apiKey, definition);
    return (args) => {
      const made: Request = protocol(args);
      const waitMs =
        apiKey === apiKeys.syncGroup ? times.rebalanceTimeoutMs + onTheWayMs : times.sessionTimeoutMs;
      const { response } = made;
      const parse = apiKey === apiKeys.joinGroup ? overheard(response.parse, onMemberId) : response.parse;
      // kafkajs takes the longer one of this and its own.
      const requestTimeout = Math.max(made.requestTimeout ?? 0, waitMs);
      return { ...made, requestTimeout, response: { ...response, parse } };
    };
  };
  return Object.create(broker, { lookupRequest: { value: lookupRequest } }) as GroupCoordinator;
}

/** kafkajs joins again by itself with the id that comes with this error. */
function overheard(parse: Parse, onMemberId: (memberId: string) => void): Parse {
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
