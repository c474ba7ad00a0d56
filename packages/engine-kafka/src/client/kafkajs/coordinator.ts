import type { Cluster, GroupMember, GroupMemberAssignment, GroupState, TopicOffsets } from 'kafkajs';
import { askAny, brokerOf } from './connection/connections.ts';
import type { LenientBroker } from './connection/lenient-broker.ts';

/** The requests of kafkajs's broker for groups. */
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

/** A broker of kafkajs, with a request that its types leave out. */
interface AnyBroker {
  findGroupCoordinator(request: {
    groupId: string;
    coordinatorType: number;
  }): Promise<{ readonly coordinator: { readonly nodeId: number } }>;
}

const ofGroups = 0;

/**
 * Finds the coordinator of a group through any broker. kafkajs's cluster has a `findGroupCoordinator`, too, which hides why no
 * coordinator was found.
 */
export async function coordinatorOf(cluster: Cluster, groupId: string): Promise<GroupCoordinator> {
  const { coordinator } = await askAny(cluster, (any) =>
    (any as unknown as AnyBroker).findGroupCoordinator({ groupId, coordinatorType: ofGroups }),
  );
  return (await brokerOf(cluster, coordinator.nodeId)) as unknown as GroupCoordinator;
}

type Lookup = LenientBroker['lookupRequest'];
type Request = ReturnType<ReturnType<Lookup>> & { readonly requestTimeout?: number | null };
type Parse = Request['response']['parse'];

const apiKeys = { joinGroup: 11, syncGroup: 14 };
/** kafkajs adds as much to the time that a join may take. */
const latencyMs = 5000;

/**
 * A coordinator for one member of a group. kafkajs would give up on an answer after the time that a publish may take, which can be
 * less than a rebalance takes, and would return the id of a new member only after the join.
 *
 * @param onMemberId - Called with the id of a new member. The join fails with what it throws.
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
        apiKey === apiKeys.syncGroup ? times.rebalanceTimeoutMs + latencyMs : times.sessionTimeoutMs;
      const { response } = made;
      const parse = apiKey === apiKeys.joinGroup ? withMemberId(response.parse, onMemberId) : response.parse;
      // kafkajs takes the larger one of this and its own.
      const requestTimeout = Math.max(made.requestTimeout ?? 0, waitMs);
      return { ...made, requestTimeout, response: { ...response, parse } };
    };
  };
  return Object.create(broker, { lookupRequest: { value: lookupRequest } }) as GroupCoordinator;
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
