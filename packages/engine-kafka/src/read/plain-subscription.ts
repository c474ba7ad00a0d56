import type { ConsumerLag, Event } from '@polybus/core';
import {
  type Acknowledgement,
  type ListenRequest,
  type RawRecord,
  type ReadProgress,
  type Receiver,
  isPattern,
  matchesTopic,
} from '@polybus/core/engine';
import { backoffMs, onceInMicrotask, pause } from '@polybus/core/engine-kit';
import { KafkaFailure } from '../client/failure.ts';
import type { FetchedRecord } from '../client/fetched-record.ts';
import type { KafkaClient, OffsetPosition, PartitionsByTopic } from '../client/kafka-client.ts';
import { messageOf } from '../errors.ts';
import { decode } from './decode.ts';
import type { Cursor } from './cursor.ts';
import type { Reader } from './reader.ts';
import type { TopicCatalog } from '../client/topic-catalog.ts';
import { Unread } from './unread.ts';

/** Records that wait for room in the receiver, beyond which the partition is not read. */
const maxUnread = 500;
const initialBackoffMs = 100;
const maxBackoffMs = 2000;

export interface PlainContext {
  readonly client: KafkaClient;
  readonly catalog: TopicCatalog;
  readonly reader: Reader;
  readonly closing: AbortSignal;
  readonly onLoss: (topic: string, reason: string) => void;
}

/**
 * A subscription without a group. It keeps its position in each partition itself, and stores nothing in the cluster.
 */
export class PlainSubscription {
  readonly #request: ListenRequest;
  readonly #receiver: Receiver;
  readonly #context: PlainContext;
  /** All partitions; undefined while the start offset of a partition is looked up. */
  readonly #cursors = new Map<string, Map<number, PlainCursor | undefined>>();
  /** Why the start offset of new partitions could not be looked up. */
  #trouble: string | undefined;
  /** Failed lookups in a row. */
  #failures = 0;
  #isStopped = false;

  constructor(request: ListenRequest, receiver: Receiver, context: PlainContext) {
    this.#request = request;
    this.#receiver = receiver;
    this.#context = context;
    receiver.onRoom = onceInMicrotask(() => this.#refill());
  }

  /** Resolves when the start offset of each partition is fixed. */
  async start(): Promise<void> {
    const { catalog } = this.#context;
    catalog.watch(this.#onTopics);
    await this.#add(this.#newPartitions(), this.#request.from);
  }

  stop(): void {
    this.#isStopped = true;
    this.#receiver.onRoom = undefined;
    this.#context.catalog.unwatch(this.#onTopics);
    for (const cursors of this.#cursors.values()) this.#drop(cursors);
    this.#cursors.clear();
  }

  /** @param endOf - The end of a partition's log; undefined if it is not known. */
  *lag(endOf: (topic: string, partition: number) => number | undefined): Iterable<ConsumerLag> {
    for (const [topic, cursors] of this.#cursors) {
      for (const [partition, cursor] of cursors) {
        if (cursor === undefined) continue;
        const end = endOf(topic, partition);
        const events = end === undefined ? undefined : Math.max(0, end - cursor.next);
        yield { topic, partition: String(partition), events };
      }
    }
  }

  wants(topic: string): boolean {
    return matchesTopic(this.#request.pattern, topic);
  }

  partitions(): PartitionsByTopic {
    return new Map([...this.#cursors].map(([topic, cursors]) => [topic, [...cursors.keys()]]));
  }

  readonly #onTopics = (): void => {
    const { catalog } = this.#context;
    for (const [topic, cursors] of this.#cursors) {
      if (catalog.partitionsOf(topic) > 0) continue;
      // If the topic is created again, it is a new topic.
      this.#drop(cursors);
      this.#cursors.delete(topic);
    }
    // From the first event, regardless of `from`, because the topic is newer than the subscription.
    for (const [topic, partitions] of this.#newPartitions()) {
      // One by one, so that a topic without a leader does not hold up the others.
      const one = new Map([[topic, partitions]]);
      this.#add(one, 'earliest').catch((error: unknown) => this.#addLater(one, error));
    }
  };

  /** Tries again after a failure: a topic or a leader may have gone during the lookup. */
  #addLater(added: PartitionsByTopic, error: unknown): void {
    this.#trouble = messageOf(error);
    this.#failures++;
    for (const [topic, partitions] of added) this.#forget(topic, partitions);
    if (this.#isStopped) return;
    const { catalog, closing } = this.#context;
    pause(backoffMs(this.#failures, initialBackoffMs, maxBackoffMs), closing)
      .then(() => catalog.refresh())
      .catch(() => {})
      .then(() => this.#isStopped || closing.aborted || this.#onTopics())
      .catch(() => {});
  }

  /** Each partition of the topics that match. */
  *#wanted(): Iterable<readonly [topic: string, partition: number]> {
    const { catalog } = this.#context;
    const { pattern } = this.#request;
    for (const topic of isPattern(pattern) ? catalog.names() : [pattern]) {
      if (!matchesTopic(pattern, topic) || !catalog.has(topic)) continue;
      for (let partition = 0; partition < catalog.partitionsOf(topic); partition++) yield [topic, partition];
    }
  }

  /** The partitions whose start offset is not known yet. */
  *unread(): Iterable<ReadProgress> {
    for (const [topic, partition] of this.#wanted()) {
      if (this.#cursors.get(topic)?.get(partition) !== undefined) continue;
      const behind = `its start offset is not known: ${this.#trouble ?? 'the lookup has no answer yet'}`;
      yield { source: `partition ${partition} of "${topic}"`, position: 0, behind };
    }
  }

  /** Partitions that are not known yet, and are from now on. */
  #newPartitions(): PartitionsByTopic {
    const added = new Map<string, number[]>();
    for (const [topic, partition] of this.#wanted()) {
      const cursors = this.#cursors.get(topic) ?? new Map<number, PlainCursor | undefined>();
      if (cursors.has(partition)) continue;
      cursors.set(partition, undefined);
      this.#cursors.set(topic, cursors);
      added.set(topic, [...(added.get(topic) ?? []), partition]);
    }
    return added;
  }

  async #add(partitions: PartitionsByTopic, from: OffsetPosition): Promise<void> {
    const { client, reader } = this.#context;
    const found = await client.offsets(partitions, from);
    const wanted = [...partitions.values()].reduce((sum, ids) => sum + ids.length, 0);
    if (found.length < wanted) throw new KafkaFailure('passing', 'some partitions have no leader', undefined);
    // Negative if no event is as recent as the given date: begin with the next event.
    const isLate = found.some(({ offset }) => offset < 0);
    const ends = isLate ? await client.offsets(partitions, 'latest') : [];
    if (this.#isStopped) return;
    this.#trouble = undefined;
    this.#failures = 0;
    for (const { topic, partition, offset } of found) {
      const cursors = this.#cursors.get(topic);
      if (cursors === undefined || cursors.get(partition) !== undefined) continue;
      const end = ends.find((one) => one.topic === topic && one.partition === partition);
      const cursor = new PlainCursor(topic, partition, offset < 0 ? (end?.offset ?? 0) : offset, this.#owner);
      cursors.set(partition, cursor);
      reader.add(cursor);
    }
  }

  #forget(topic: string, partitions: readonly number[]): void {
    const cursors = this.#cursors.get(topic);
    for (const partition of partitions) {
      if (cursors?.get(partition) === undefined) cursors?.delete(partition);
    }
  }

  #drop(cursors: ReadonlyMap<number, PlainCursor | undefined>): void {
    for (const cursor of cursors.values()) {
      if (cursor === undefined) continue;
      cursor.close();
      this.#context.reader.remove(cursor);
    }
  }

  readonly #owner: CursorOwner = {
    hasRoom: () => !this.#isStopped && this.#receiver.capacity > 0,
    enqueue: (event) => this.#receiver.enqueue(event, acknowledgement),
    undecodable: (raw) => this.#receiver.undecodable(raw, acknowledgement),
    run: () => this.#receiver.run(),
    onOpen: () => this.#context.reader.wake(),
    onLoss: (topic, reason) => this.#context.onLoss(topic, reason),
  };

  #refill(): void {
    for (const cursors of this.#cursors.values()) for (const cursor of cursors.values()) cursor?.refill();
    this.#receiver.run();
  }
}

/** Does nothing, because a subscription without a group commits nothing and no other subscription takes over its events. */
const acknowledgement: Acknowledgement = { settled: () => {}, release: () => false };

interface CursorOwner {
  hasRoom(): boolean;
  enqueue(event: Event): void;
  undecodable(raw: RawRecord): void;
  run(): void;
  onOpen(): void;
  onLoss(topic: string, reason: string): void;
}

class PlainCursor implements Cursor {
  readonly topic: string;
  readonly partition: number;
  position: number;
  readonly #owner: CursorOwner;
  readonly #read = new Unread();
  #isClosed = false;

  constructor(topic: string, partition: number, position: number, owner: CursorOwner) {
    this.topic = topic;
    this.partition = partition;
    this.position = position;
    this.#owner = owner;
  }

  get isOpen(): boolean {
    return !this.#isClosed && this.#read.size < maxUnread;
  }

  /** The first offset that was not handed over. */
  get next(): number {
    return this.#read.first?.offset ?? this.position;
  }

  take(records: readonly FetchedRecord[]): void {
    this.#read.add(records);
  }

  handOver(limit: number): boolean {
    for (let left = limit; left > 0; left--) {
      const record = this.#read.first;
      if (record === undefined || this.#isClosed || !this.#owner.hasRoom()) return false;
      this.#read.shift();
      const { event, raw } = decode(this.topic, this.partition, record);
      if (event !== undefined) this.#owner.enqueue(event);
      else this.#owner.undecodable(raw);
    }
    return true;
  }

  run(): void {
    this.#owner.run();
  }

  refill(): void {
    if (this.#read.size === 0) return;
    const wasOpen = this.isOpen;
    this.handOver(Number.POSITIVE_INFINITY);
    if (!wasOpen && this.isOpen) this.#owner.onOpen();
  }

  move(position: number, isLoss: boolean): void {
    this.position = position;
    if (isLoss) this.#owner.onLoss(this.topic, 'retention removed events that were not read yet');
  }

  close(): void {
    this.#isClosed = true;
  }
}
