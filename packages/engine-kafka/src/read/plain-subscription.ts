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
import { KafkaFailure } from '../client/failure.ts';
import type { FetchedRecord } from '../client/fetched-record.ts';
import type { KafkaClient, OffsetPosition, PartitionsByTopic } from '../client/kafka-client.ts';
import { messageOf } from '../errors.ts';
import { pause } from '../pause.ts';
import { decode } from './record.ts';
import type { Cursor } from './cursor.ts';
import type { Reader } from './reader.ts';
import type { TopicCatalog } from '../client/topic-catalog.ts';
import { Unread } from './unread.ts';

/** Records that wait here for room in the receiver, beyond which no more are read for it. */
const enough = 500;
const retryMs = 100;

export interface PlainContext {
  readonly client: KafkaClient;
  readonly catalog: TopicCatalog;
  readonly reader: Reader;
  readonly closing: AbortSignal;
  readonly onLoss: (topic: string, reason: string) => void;
}

/**
 * A subscription without a group: it reads each partition from a cursor that it remembers itself, and no broker knows of it.
 */
export class PlainSubscription {
  readonly #request: ListenRequest;
  readonly #receiver: Receiver;
  readonly #context: PlainContext;
  /** Each partition that is, or is about to be, read. */
  readonly #cursors = new Map<string, Map<number, PlainCursor | undefined>>();
  /** Why the last partitions that appeared are not read. */
  #trouble: string | undefined;
  #isRunPlanned = false;
  #isStopped = false;

  constructor(request: ListenRequest, receiver: Receiver, context: PlainContext) {
    this.#request = request;
    this.#receiver = receiver;
    this.#context = context;
    receiver.onRoom = () => this.#planRun();
  }

  /** Resolves when the cursor in each partition is pinned. */
  async start(): Promise<void> {
    const { catalog } = this.#context;
    catalog.watch(this.#onTopics);
    await this.#add(this.#news(), this.#request.from);
  }

  stop(): void {
    this.#isStopped = true;
    this.#receiver.onRoom = undefined;
    this.#context.catalog.unwatch(this.#onTopics);
    for (const cursors of this.#cursors.values()) this.#drop(cursors);
    this.#cursors.clear();
  }

  /** How far it is behind, given the ends of its partitions. */
  *lag(endOf: (topic: string, partition: number) => number | undefined): Iterable<ConsumerLag> {
    for (const [topic, cursors] of this.#cursors) {
      for (const [partition, cursor] of cursors) {
        const end = endOf(topic, partition);
        if (cursor === undefined || end === undefined) continue;
        yield { topic, partition: String(partition), events: Math.max(0, end - cursor.next) };
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
      // Gone: should it come back, it is another one.
      this.#drop(cursors);
      this.#cursors.delete(topic);
    }
    // From its first event, whatever `from` says: nothing of it was there when this subscription began.
    for (const [topic, partitions] of this.#news()) {
      // Each by itself: one that nobody can be asked about keeps none of the others waiting.
      const one = new Map([[topic, partitions]]);
      this.#add(one, 'earliest').catch((error: unknown) => this.#addLater(one, error));
    }
  };

  /** A leader went, or the topic, while it was being asked. */
  #addLater(news: PartitionsByTopic, error: unknown): void {
    this.#trouble = messageOf(error);
    for (const [topic, partitions] of news) this.#forget(topic, partitions);
    if (this.#isStopped) return;
    const { catalog, closing } = this.#context;
    pause(retryMs, closing)
      .then(() => catalog.refresh())
      .catch(() => {})
      .then(() => this.#isStopped || closing.aborted || this.#onTopics())
      .catch(() => {});
  }

  /** Each partition of the topics that it is for. */
  *#wanted(): Iterable<readonly [topic: string, partition: number]> {
    const { catalog } = this.#context;
    const { pattern } = this.#request;
    for (const topic of isPattern(pattern) ? catalog.names() : [pattern]) {
      if (!matchesTopic(pattern, topic) || !catalog.has(topic)) continue;
      for (let partition = 0; partition < catalog.partitionsOf(topic); partition++) yield [topic, partition];
    }
  }

  /** Those of them that it does not read. */
  *unread(): Iterable<ReadProgress> {
    for (const [topic, partition] of this.#wanted()) {
      if (this.#cursors.get(topic)?.get(partition) !== undefined) continue;
      const behind = `where to begin is not known: ${this.#trouble ?? 'Kafka is being asked'}`;
      yield { source: `partition ${partition} of "${topic}"`, position: 0, behind };
    }
  }

  /** Partitions that it should read and does not; from here on they are taken for read. */
  #news(): PartitionsByTopic {
    const news = new Map<string, number[]>();
    for (const [topic, partition] of this.#wanted()) {
      const cursors = this.#cursors.get(topic) ?? new Map<number, PlainCursor | undefined>();
      if (cursors.has(partition)) continue;
      cursors.set(partition, undefined);
      this.#cursors.set(topic, cursors);
      news.set(topic, [...(news.get(topic) ?? []), partition]);
    }
    return news;
  }

  async #add(partitions: PartitionsByTopic, from: OffsetPosition): Promise<void> {
    const { client, reader } = this.#context;
    const found = await client.offsets(partitions, from);
    const wanted = [...partitions.values()].reduce((sum, ids) => sum + ids.length, 0);
    if (found.length < wanted) throw new KafkaFailure('passing', 'some partitions have no leader', undefined);
    // Negative: nothing is as young as that date, so what comes from now on is.
    const isLate = found.some(({ offset }) => offset < 0);
    const ends = isLate ? await client.offsets(partitions, 'latest') : [];
    if (this.#isStopped) return;
    this.#trouble = undefined;
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

  #planRun(): void {
    if (this.#isRunPlanned) return;
    this.#isRunPlanned = true;
    queueMicrotask(() => {
      this.#isRunPlanned = false;
      for (const cursors of this.#cursors.values()) for (const cursor of cursors.values()) cursor?.refill();
      this.#receiver.run();
    });
  }
}

/** Nobody else is to have it: the cursor of a subscription without a group ends with it. */
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
    return !this.#isClosed && this.#read.size < enough;
  }

  /** The first offset that has not been handed over. */
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
    if (isLoss) this.#owner.onLoss(this.topic, 'retention took events that were not read yet');
  }

  close(): void {
    this.#isClosed = true;
  }
}
