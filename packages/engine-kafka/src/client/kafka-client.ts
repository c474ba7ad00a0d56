import type { KafkaFailure } from './failure.ts';
import type { FetchedRecord } from './fetched-record.ts';

/** What the engine needs of a Kafka client. Another client can implement it without a change of the engine. */
export interface KafkaClient {
  /**
   * Connects to the cluster.
   *
   * @throws {@link KafkaFailure} if no broker can be reached in time, or if the brokers refuse the user.
   */
  connect(): Promise<void>;
  /** Ends all connections and sessions. Works while the cluster is down and while `connect` runs. */
  close(): Promise<void>;
  /** All topics with the leader of each partition: `-1` for a partition without a leader. */
  topics(): Promise<ReadonlyMap<string, readonly number[]>>;
  /** Resolves also if the topic exists. Its partitions may not have leaders yet. */
  createTopic(topic: string, partitions: number, replicationFactor: number): Promise<void>;
  /** The largest record batch that the topic accepts, in bytes; undefined if the cluster does not say. */
  maxBatchBytes(topic: string): Promise<number | undefined>;
  /** The largest request that the brokers accept, in bytes; undefined if the cluster does not say. */
  maxRequestBytes(): Promise<number | undefined>;
  /** The offset of each partition at a position: the next offset, the first offset that is kept, or the first offset at or after a time. */
  offsets(partitions: PartitionsByTopic, at: OffsetPosition): Promise<readonly PartitionOffset[]>;
  /** Waits up to `maxWaitMs` for records of one broker. A failure of one partition is in its part of the answer. */
  fetch(broker: number, request: FetchRequest): Promise<readonly FetchedPartition[]>;
  /**
   * Resolves with the records that were refused, once the cluster has accepted the others; rejects if nothing was sent.
   *
   * @param onLate - Called for a broker that has not answered after a second; `send` then resolves without the records of that
   *   broker. Without it, `send` waits for all brokers.
   */
  send(batch: readonly TopicRecords[], onLate?: OnLate): Promise<readonly Refusal[]>;
  /** Discards cached topics and the sequence numbers of an idempotent producer, because a topic was deleted. */
  resetProducer(): void;
  /** A session of a member of a consumer group, with its own connections. */
  group(groupId: string): GroupSession;
}

export type OffsetPosition = 'latest' | 'earliest' | Date;

export type PartitionsByTopic = ReadonlyMap<string, readonly number[]>;

/** Offsets are numbers, which are exact up to 2^53: more records than a partition can ever have. */
export interface PartitionOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** The committed offset of a group in a partition; `offset` is negative if there is none. */
export interface CommittedOffset extends PartitionOffset {
  readonly metadata: string;
}

export interface FetchRequest {
  readonly positions: readonly PartitionOffset[];
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  readonly maxBytesPerPartition: number;
}

export interface FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  /** In order of their offsets. May begin before the requested position. */
  readonly records: readonly FetchedRecord[];
  /** The position of the next fetch, behind control records and compacted records, too. Undefined if no batch came. */
  readonly next: number | undefined;
  /** The offset after the last record of the partition. */
  readonly highWatermark: number;
  /** The first offset of an open transaction, or the high watermark if none is open. */
  readonly lastStable: number;
  /** Why the partition could not be read. */
  readonly failure: KafkaFailure | undefined;
}

export interface OutgoingRecord {
  readonly key: string | null;
  readonly value: Buffer | string;
  readonly headers: Record<string, string>;
}

export interface TopicRecords {
  readonly topic: string;
  readonly records: readonly OutgoingRecord[];
}

export type OnLate = (records: readonly OutgoingRecord[], answer: Promise<readonly Refusal[]>) => void;

/** Records that were not accepted, or may not have been, for one reason. They are the objects that were given to `send`. */
export interface Refusal {
  readonly records: readonly OutgoingRecord[];
  readonly failure: KafkaFailure;
}

/** A member of a group, as its leader sees it. */
export interface MemberTopics {
  readonly id: string;
  readonly topics: readonly string[];
  /** The user data that it joined with. */
  readonly userData: string;
}

export type Assignment = ReadonlyMap<string, readonly number[]>;

/** The result of a join. */
export interface Joined {
  readonly memberId: string;
  /** Counts the rebalances of the group. */
  readonly generation: number;
  readonly partitions: Assignment;
  /** When the request left that began the member's session, by `performance.now()`. */
  readonly aliveAt: number;
}

/** A member of a consumer group: the requests of Kafka's group protocol. */
export interface GroupSession {
  /**
   * Joins, or joins again. Resolves with this member's partitions once all members have joined.
   *
   * @param userData - Sent to the leader of the group. If it differs from that of the previous join, all members join again.
   * @param assign - Called if this member leads the group.
   */
  join(
    topics: readonly string[],
    userData: string,
    assign: (members: readonly MemberTopics[]) => Promise<ReadonlyMap<string, Assignment>>,
  ): Promise<Joined>;
  /** @throws {@link KafkaFailure} of kind `rebalance` if the members have to join again, or `fenced` if the session has ended. */
  heartbeat(): Promise<void>;
  /** The group's committed offset in each partition. */
  committed(partitions: PartitionsByTopic): Promise<readonly CommittedOffset[]>;
  /** Commits offsets, as the member of the last generation that was joined. */
  commit(offsets: readonly CommittedOffset[]): Promise<void>;
  leave(): Promise<void>;
  close(): Promise<void>;
}
