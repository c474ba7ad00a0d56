import type { ConsumerLag } from '@polybus/core';
import type { Assignment, PartitionsByTopic } from '../client/kafka-client.ts';
import type { Reader } from '../read/reader.ts';
import { AssignedPartition, type PartitionOwner } from './assigned-partition.ts';
import type { GroupDispatcher } from './dispatcher.ts';
import type { StartPoint } from './start-offsets.ts';

/** The partitions that are assigned to this member: they are read, and handed over to the group's subscriptions. */
export class GroupPartitions implements PartitionOwner {
  /** False while the partitions of the group may move to other members. */
  isReading = false;
  readonly #groupId: string;
  readonly #reader: Reader;
  readonly #dispatch: GroupDispatcher;
  readonly #partitions = new Map<string, AssignedPartition>();
  readonly #onLoss: (topic: string, reason: string) => void;

  constructor(
    groupId: string,
    reader: Reader,
    dispatch: GroupDispatcher,
    onLoss: (topic: string, reason: string) => void,
  ) {
    this.#groupId = groupId;
    this.#reader = reader;
    this.#dispatch = dispatch;
    this.#onLoss = onLoss;
  }

  all(): Iterable<AssignedPartition> {
    return this.#partitions.values();
  }

  /** The partitions of an assignment that this member does not have yet. */
  missing(assignment: Assignment): PartitionsByTopic {
    const missing = new Map<string, readonly number[]>();
    for (const [topic, ids] of assignment) {
      const ofTopic = ids.filter((id) => !this.#partitions.has(`${topic}:${id}`));
      if (ofTopic.length > 0) missing.set(topic, ofTopic);
    }
    return missing;
  }

  add({ at, state }: StartPoint): void {
    const partition = new AssignedPartition(at, state, this);
    this.#partitions.set(`${at.topic}:${at.partition}`, partition);
    this.#reader.add(partition, this.#groupId);
  }

  dropWhere(isOver: (partition: AssignedPartition) => boolean): void {
    for (const partition of this.#partitions.values()) if (isOver(partition)) this.#drop(partition);
  }

  dropAll(): void {
    for (const partition of this.#partitions.values()) this.#drop(partition);
  }

  #drop(partition: AssignedPartition): void {
    partition.isDropped = true;
    this.#partitions.delete(`${partition.topic}:${partition.partition}`);
    this.#reader.remove(partition);
  }

  /** Delivers the records that were read, while subscriptions have room. */
  refill(): void {
    for (const partition of this.#partitions.values()) partition.refill();
    this.run();
  }

  handOver(partition: AssignedPartition, limit?: number): boolean {
    return this.#dispatch.handOver(partition, limit);
  }

  run(): void {
    this.#dispatch.run();
  }

  onOpen(): void {
    this.#reader.wake();
  }

  onLoss(topic: string): void {
    this.#onLoss(topic, 'retention removed events that the group had not read yet');
  }

  /** @param endOf - The end of a partition's log; undefined if it is not known. */
  *lag(endOf: (topic: string, partition: number) => number | undefined): Iterable<ConsumerLag> {
    for (const { topic, partition, settledUpTo } of this.#partitions.values()) {
      const end = endOf(topic, partition);
      const events = end === undefined ? undefined : Math.max(0, end - settledUpTo);
      yield { topic, group: this.#groupId, partition: String(partition), events };
    }
  }

  byTopic(): PartitionsByTopic {
    const byTopic = new Map<string, number[]>();
    for (const { topic, partition } of this.#partitions.values()) {
      byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition]);
    }
    return byTopic;
  }
}
