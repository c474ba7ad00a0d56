import type { KafkaFailure } from './failure.ts';
import type { FetchedRecord } from './fetched-record.ts';

/** What the engine needs of a Kafka client, and no more: another client can be put behind it without touching the engine. */
export interface KafkaClient {
  /**
   * Connects to the cluster.
   *
   * @throws {@link KafkaFailure} where no broker can be reached in time, or where they do not let us in.
   */
  connect(): Promise<void>;
  /** Ends every connection and session; also while the cluster is down, and while `connect` still runs. */
  close(): Promise<void>;
  /** Each topic, with the broker that leads each partition: `-1` where none does now. */
  topics(): Promise<ReadonlyMap<string, readonly number[]>>;
  /** Resolves where the topic is there already, too. Leaders may be missing still. */
  createTopic(topic: string, partitions: number, replicationFactor: number): Promise<void>;
  /** The largest record batch that the topic accepts, in bytes; undefined if the cluster does not say. */
  maxBatchBytes(topic: string): Promise<number | undefined>;
  /** The largest request that the brokers accept, in bytes; undefined if the cluster does not say. */
  maxRequestBytes(): Promise<number | undefined>;
  /** The offset of each partition at a position: the next one to be written, the first one kept, or the first one from a time on. */
  offsets(partitions: PartitionsByTopic, at: OffsetPosition): Promise<readonly PartitionOffset[]>;
  /** Waits up to `maxWaitMs` for something to read at one broker. What is wrong with one partition is in its part of the answer. */
  fetch(broker: number, request: FetchRequest): Promise<readonly FetchedPartition[]>;
  /**
   * Resolves with the records that were refused, once the cluster has accepted the others; rejects if nothing was sent.
   *
   * @param onLate - Called for a broker that has not answered after a second; `send` then resolves without the records of that
   *   broker. Without it, `send` waits for all brokers.
   */
  send(batch: readonly TopicRecords[], onLate?: OnLate): Promise<readonly Refusal[]>;
  /** Forgets what the sending side knows of topics, and what it has counted: one of them is gone. */
  resetProducer(): void;
  /** A session of one member of a consumer group, on a connection of its own. */
  group(groupId: string): GroupSession;
}

export type OffsetPosition = 'latest' | 'earliest' | Date;

export type PartitionsByTopic = ReadonlyMap<string, readonly number[]>;

/** Offsets are numbers here: they stay exact up to 2^53, which a partition reaches in no lifetime. */
export interface PartitionOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** Where a group is in a partition; `offset` is negative where it has no place there. */
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
  /** In order of their offsets; may begin before the position that was asked for. */
  readonly records: readonly FetchedRecord[];
  /** Where to read on: past what is no record of a user, or is no longer there, too. Undefined where nothing came. */
  readonly next: number | undefined;
  /** The offset behind its last record. */
  readonly highWatermark: number;
  /** The offset from which on transactions are open: not less than the position, if nothing is to be read but what they hold. */
  readonly lastStable: number;
  /** Why this partition could not be read. */
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

/** What was not accepted, or may not have been: the same records that were given, for one reason. */
export interface Refusal {
  readonly records: readonly OutgoingRecord[];
  readonly failure: KafkaFailure;
}

/** A member as its group's leader sees it. */
export interface MemberTopics {
  readonly id: string;
  readonly topics: readonly string[];
  /** The user data that it joined with. */
  readonly userData: string;
}

export type Assignment = ReadonlyMap<string, readonly number[]>;

/** What a member got when it joined. */
export interface Joined {
  readonly memberId: string;
  /** Counts how often the members have joined anew. */
  readonly generation: number;
  readonly partitions: Assignment;
  /** By `performance.now()`, when the request left with which the member's session began. */
  readonly aliveAt: number;
}

/** One member of a consumer group: the steps of Kafka's group protocol. */
export interface GroupSession {
  /**
   * Joins, or joins again, and resolves with this member's partitions once all members have.
   *
   * @param userData - Sent to the leader of the group. If it differs from that of the previous join, all members join again.
   * @param assign - Called if this member leads the group.
   */
  join(
    topics: readonly string[],
    userData: string,
    assign: (members: readonly MemberTopics[]) => Promise<ReadonlyMap<string, Assignment>>,
  ): Promise<Joined>;
  /** @throws {@link KafkaFailure} of kind `rebalance` where the members are to join again, `fenced` where this one is out. */
  heartbeat(): Promise<void>;
  /** The group's place in each partition. */
  committed(partitions: PartitionsByTopic): Promise<readonly CommittedOffset[]>;
  /** Sets the group's places, as the member of the generation that was joined last. */
  commit(offsets: readonly CommittedOffset[]): Promise<void>;
  leave(): Promise<void>;
  close(): Promise<void>;
}
