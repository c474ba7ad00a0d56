import type { StartPosition } from '@polybus/core';
import {
  type CommittedOffset,
  type GroupSession,
  type KafkaClient,
  KafkaFailure,
  type OffsetPosition,
  type PartitionsByTopic,
  isFailure,
} from './client-port.ts';
import type { GroupPlace } from './group-place.ts';
import type { TopicCatalog } from './topic-catalog.ts';

/** Where a group begins in a partition. */
export interface Pin extends CommittedOffset {
  /** False where the group has had no place there before. */
  readonly isCommitted: boolean;
}

/** What the group's subscriptions say of a topic. */
export interface Beginning {
  readonly from: StartPosition;
  /** True where the topic appeared after its subscription. */
  readonly isNews: boolean;
}

export interface Pinned {
  readonly pins: readonly Pin[];
  /** Topics that may not be read, with what says so. */
  readonly refusals: ReadonlyMap<string, KafkaFailure>;
}

const mark = 'polybus';

/**
 * A group's places, as they are kept by Kafka. With each goes, as its metadata, how many partitions the topic had when the
 * group first had it: a partition beyond is one that was added since, and is read from its first event, whoever finds it.
 */
export class GroupOffsets {
  readonly #client: KafkaClient;
  readonly #session: GroupSession;
  readonly #catalog: TopicCatalog;

  constructor(client: KafkaClient, session: GroupSession, catalog: TopicCatalog) {
    this.#client = client;
    this.#session = session;
    this.#catalog = catalog;
  }

  /** Where to begin in these partitions; what had no place before has one that is committed, so that it stays. */
  async pin(partitions: PartitionsByTopic, beginningOf: (topic: string) => Beginning): Promise<Pinned> {
    const known = await this.#session.committed(this.#allOf(partitions));
    const pins: Pin[] = [];
    const begin: (CommittedOffset & { at: OffsetPosition })[] = [];
    for (const [topic, ids] of partitions) {
      const ofTopic = known.filter((one) => one.topic === topic);
      const { from, isNews } = beginningOf(topic);
      const before = partitionsBefore(ofTopic) ?? (isNews ? 0 : ofTopic.length);
      for (const partition of ids) {
        const place = ofTopic.find((one) => one.partition === partition);
        const metadata = `${mark} ${before}`;
        if (place !== undefined && place.offset >= 0) {
          pins.push({ ...place, metadata: place.metadata || metadata, isCommitted: true });
        } else {
          const at = partition >= before ? 'earliest' : from;
          begin.push({ topic, partition, offset: -1, metadata, at });
        }
      }
    }
    if (begin.length === 0) return { pins, refusals: new Map() };
    const found = await this.#find(begin);
    const refusals = await this.#commitEach(found);
    for (const one of found) if (!refusals.has(one.topic)) pins.push({ ...one, isCommitted: false });
    return { pins, refusals };
  }

  /** Topic by topic where something in it is refused, since the answer does not say what; returns what was. */
  async #commitEach(offsets: readonly CommittedOffset[]): Promise<Map<string, KafkaFailure>> {
    const refusals = new Map<string, KafkaFailure>();
    try {
      await this.#session.commit(offsets);
    } catch (error) {
      if (!isFailure(error, 'refused')) throw error;
      for (const topic of new Set(offsets.map((one) => one.topic))) {
        try {
          await this.#session.commit(offsets.filter((one) => one.topic === topic));
        } catch (reason) {
          if (!isFailure(reason, 'refused')) throw reason;
          refusals.set(topic, reason);
        }
      }
    }
    return refusals;
  }

  /** All partitions of these topics, as far as they are known here, or to the member that has assigned these. */
  #allOf(assigned: PartitionsByTopic): PartitionsByTopic {
    const known = this.#catalog.allPartitionsOf(assigned.keys());
    return new Map(
      [...assigned].map(([topic, ids]) => {
        const count = Math.max(known.get(topic)?.length ?? 0, ...ids.map((id) => id + 1));
        return [topic, Array.from({ length: count }, (_, partition) => partition)];
      }),
    );
  }

  async #find(begin: readonly (CommittedOffset & { at: OffsetPosition })[]): Promise<CommittedOffset[]> {
    const found: CommittedOffset[] = [];
    for (const at of new Set(begin.map((one) => one.at))) {
      const wanted = begin.filter((one) => one.at === at);
      const partitions = new Map<string, number[]>();
      for (const { topic, partition } of wanted) {
        partitions.set(topic, [...(partitions.get(topic) ?? []), partition]);
      }
      const offsets = await this.#client.offsets(partitions, at);
      if (offsets.length < wanted.length) {
        throw new KafkaFailure('passing', 'some partitions have no leader', undefined);
      }
      // Negative: nothing is as young as that date, so what comes from now on is.
      const ends = offsets.some(({ offset }) => offset < 0)
        ? await this.#client.offsets(partitions, 'latest')
        : [];
      for (const one of wanted) {
        const isIt = (other: { topic: string; partition: number }): boolean =>
          other.topic === one.topic && other.partition === one.partition;
        const offset = offsets.find(isIt)?.offset ?? -1;
        const { topic, partition, metadata } = one;
        found.push({
          topic,
          partition,
          metadata,
          offset: offset < 0 ? (ends.find(isIt)?.offset ?? 0) : offset,
        });
      }
    }
    return found;
  }

  /** True where the group has a place in every partition of these topics, whichever member has to pin it. */
  async isPinned(topics: Iterable<string>): Promise<boolean> {
    const known = await this.#session.committed(this.#catalog.allPartitionsOf(topics));
    return known.every(({ offset }) => offset >= 0);
  }

  /** Commits what these places have settled. */
  async commit(places: Iterable<GroupPlace>): Promise<void> {
    const moved: { place: GroupPlace; offset: CommittedOffset }[] = [];
    for (const place of places) {
      const offset = place.settledUpTo;
      const { topic, partition, metadata } = place;
      if (!place.isDropped && offset !== place.committed)
        moved.push({ place, offset: { topic, partition, offset, metadata } });
    }
    if (moved.length === 0) return;
    await this.#session.commit(moved.map(({ offset }) => offset));
    for (const { place, offset } of moved) place.committed = offset.offset;
  }
}

/** How many partitions the topic had when the group first had it. */
function partitionsBefore(known: readonly CommittedOffset[]): number | undefined {
  const places = known.filter(({ offset }) => offset >= 0);
  if (places.length === 0) return undefined;
  for (const { metadata } of places) {
    const [name, count] = metadata.split(' ');
    if (name === mark && Number.isInteger(Number(count))) return Number(count);
  }
  // Committed by another client.
  return Math.max(...places.map(({ partition }) => partition)) + 1;
}
