import type { Compression } from '../../options/config.ts';
import type {
  CommittedOffset,
  FetchRequest,
  FetchedPartition,
  OutgoingRecord,
  PartitionOffset,
  PartitionsByTopic,
} from '../kafka-client.ts';

/** What a client library has to provide: connections, and Kafka's requests over them. */
export interface Library {
  /**
   * Connections of their own. None is opened before `connect`.
   *
   * @param name - Names them for the library.
   * @param answerMs - How long a broker may take for an answer before its connection is replaced.
   */
  connections(name: string, answerMs: number): Connections;
  /** Ends all sockets at once, and later ones as soon as they are opened. */
  close(): void;
}

/** Connections to the brokers of a cluster. */
export interface Connections {
  /** Connects to any broker. */
  connect(): Promise<void>;
  close(): Promise<void>;
  /** The metadata of the cluster, from an answer that was requested after this call. */
  look(): Promise<Metadata>;
  /** The last answer. */
  readonly seen: Metadata | undefined;
  /** The ids of the brokers that are known, without those that do not answer if others do. */
  ids(): readonly number[];
  /** The broker of an id, connected. */
  broker(id: number): Promise<Broker>;
  /** The coordinator of a group. */
  coordinator(groupId: string, times: GroupTimes): Promise<Coordinator>;
}

export interface Metadata {
  /** The leader of each partition, by its number: `-1` for a partition without a leader. */
  readonly topics: ReadonlyMap<string, readonly number[]>;
  readonly controllerId: number;
}

/** Requests to one broker. They reject with errors of the library, for `toFailure`. */
export interface Broker {
  readonly id: number;
  fetch(request: FetchRequest, isolationLevel: number): Promise<readonly FetchedPartition[]>;
  /** The batches that were refused. */
  produce(request: ProduceRequest): Promise<readonly RefusedBatch[]>;
  newProducer(timeoutMs: number): Promise<Producer>;
  /** @param timestamp - Milliseconds since the epoch, or -1 for the next offset, or -2 for the first offset. */
  offsets(
    partitions: PartitionsByTopic,
    timestamp: number,
    isolationLevel: number,
  ): Promise<readonly PartitionOffset[]>;
  createTopic(topic: string, partitions: number, replicationFactor: number): Promise<void>;
  /** The value of a property of a topic, or of this broker. */
  configured(of: 'topic' | 'broker', name: string, property: string): Promise<string | null | undefined>;
}

/** The number of an idempotent producer. */
export interface Producer {
  readonly id: unknown;
  readonly epoch: number;
}

export interface OutgoingBatch {
  readonly topic: string;
  readonly partition: number;
  readonly firstSequence: number;
  readonly records: readonly OutgoingRecord[];
}

export interface ProduceRequest {
  readonly acks: number;
  readonly timeoutMs: number;
  readonly compression: Compression;
  readonly producer: Producer | undefined;
  readonly batches: readonly OutgoingBatch[];
}

export interface RefusedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly error: unknown;
}

export interface GroupTimes {
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
}

export interface JoinRequest {
  readonly protocol: string;
  readonly metadata: Buffer;
  readonly memberId: string;
  /** Called with the id of a new member, before it joins. The join fails with what this throws. */
  readonly onMemberId: (memberId: string) => void;
}

export interface JoinAnswer {
  readonly memberId: string;
  readonly leaderId: string;
  readonly generation: number;
  readonly members: readonly { readonly id: string; readonly metadata: Buffer }[];
}

export interface MemberAssignment {
  readonly memberId: string;
  readonly assignment: Buffer;
}

/** Requests to the coordinator of one group. They reject with errors of the library, for `toFailure`. */
export interface Coordinator {
  join(request: JoinRequest): Promise<JoinAnswer>;
  sync(generation: number, memberId: string, assignments: readonly MemberAssignment[]): Promise<Buffer>;
  heartbeat(generation: number, memberId: string): Promise<void>;
  committed(partitions: PartitionsByTopic): Promise<readonly CommittedOffset[]>;
  commit(generation: number, memberId: string, offsets: readonly CommittedOffset[]): Promise<void>;
  leave(memberId: string): Promise<void>;
}
