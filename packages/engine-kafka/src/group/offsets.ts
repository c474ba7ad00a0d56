import type { StartPosition } from '@polybus/core';
import { KafkaFailure, isFailure } from '../client/failure.ts';
import type {
  CommittedOffset,
  GroupSession,
  KafkaClient,
  OffsetPosition,
  PartitionsByTopic,
} from '../client/kafka-client.ts';
import { type PlaceState, decodeMetadata, encodeMetadata, maxMetadataLength } from './metadata.ts';
import type { GroupPlace } from './assigned-partition.ts';
import type { TopicCatalog } from '../client/topic-catalog.ts';

/** Where a group begins in a partition. */
export interface Pin {
  readonly at: CommittedOffset;
  readonly state: PlaceState;
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

/** Where to begin in a partition in which the group has no place. */
interface Unpinned {
  readonly topic: string;
  readonly partition: number;
  readonly partitionsBefore: number;
  readonly from: OffsetPosition;
}

/**
 * A group's places, as they are kept by Kafka. With each goes, as its metadata, how many partitions the topic had when the
 * group first had it: a partition beyond is one that was added since, and is read from its first event, whoever finds it.
 * Beside that goes what is settled beyond the place: see `GroupPlace`.
 */
export class GroupOffsets {
  readonly #client: KafkaClient;
  readonly #session: GroupSession;
  readonly #catalog: TopicCatalog;
  /** What the cluster lets metadata have: less than by default, where it has refused that. */
  #maxMetadataLength = maxMetadataLength;

  constructor(client: KafkaClient, session: GroupSession, catalog: TopicCatalog) {
    this.#client = client;
    this.#session = session;
    this.#catalog = catalog;
  }

  /** Where to begin in these partitions; what had no place before has one that is committed, so that it stays. */
  async pin(partitions: PartitionsByTopic, beginningOf: (topic: string) => Beginning): Promise<Pinned> {
    const known = await this.#session.committed(this.#allOf(partitions));
    const pins: Pin[] = [];
    const begin: Unpinned[] = [];
    for (const [topic, ids] of partitions) {
      const ofTopic = known.filter((one) => one.topic === topic);
      const { from, isNews } = beginningOf(topic);
      const before = partitionsBefore(ofTopic) ?? (isNews ? 0 : ofTopic.length);
      for (const partition of ids) {
        const at = ofTopic.find((one) => one.partition === partition);
        if (at !== undefined && at.offset >= 0) {
          pins.push({ at, state: decodeMetadata(at.offset, at.metadata) ?? nothingBeyond(before) });
        } else {
          const start = partition >= before ? 'earliest' : from;
          begin.push({ topic, partition, partitionsBefore: before, from: start });
        }
      }
    }
    const kept = await this.#withinTheirLogs(pins);
    if (begin.length === 0) return { pins: kept, refusals: new Map() };
    const found = await this.#find(begin);
    const refusals = await this.#commitEach(found.map(({ at }) => at));
    const isRefused = ({ at }: Pin): boolean => refusals.has(at.topic);
    return { pins: [...kept, ...found.filter((one) => !isRefused(one))], refusals };
  }

  /** A log that ends before what was settled in it has lost events, and others have those offsets, or will. */
  async #withinTheirLogs(pins: readonly Pin[]): Promise<Pin[]> {
    const asked = new Map<string, number[]>();
    for (const { at, state } of pins)
      if (state.settled.length > 0) asked.set(at.topic, [...(asked.get(at.topic) ?? []), at.partition]);
    if (asked.size === 0) return [...pins];
    const ends = await this.#client.offsets(asked, 'latest');
    return pins.map(({ at, state }) => {
      const end = ends.find(({ topic, partition }) => topic === at.topic && partition === at.partition);
      const isWithin = end === undefined || state.settled.every(({ to }) => to <= end.offset);
      return { at, state: isWithin ? state : nothingBeyond(state.partitionsBefore) };
    });
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

  async #find(begin: readonly Unpinned[]): Promise<Pin[]> {
    const found: Pin[] = [];
    for (const from of new Set(begin.map((one) => one.from))) {
      const wanted = begin.filter((one) => one.from === from);
      const partitions = new Map<string, number[]>();
      for (const { topic, partition } of wanted) {
        partitions.set(topic, [...(partitions.get(topic) ?? []), partition]);
      }
      const offsets = await this.#client.offsets(partitions, from);
      if (offsets.length < wanted.length) {
        throw new KafkaFailure('passing', 'some partitions have no leader', undefined);
      }
      // Negative: nothing is as young as that date, so what comes from now on is.
      const ends = offsets.some(({ offset }) => offset < 0)
        ? await this.#client.offsets(partitions, 'latest')
        : [];
      for (const { topic, partition, partitionsBefore: before } of wanted) {
        const isIt = (other: { topic: string; partition: number }): boolean =>
          other.topic === topic && other.partition === partition;
        const first = offsets.find(isIt)?.offset ?? -1;
        const offset = first < 0 ? (ends.find(isIt)?.offset ?? 0) : first;
        const state = nothingBeyond(before);
        const metadata = encodeMetadata(offset, state, this.#maxMetadataLength);
        found.push({ at: { topic, partition, offset, metadata }, state });
      }
    }
    return found;
  }

  /** True where the group has a place in every partition of these topics, whichever member has to pin it. */
  async isPinned(topics: Iterable<string>): Promise<boolean> {
    const known = await this.#session.committed(this.#catalog.allPartitionsOf(topics));
    return known.every(({ offset }) => offset >= 0);
  }

  /**
   * Commits what these places have settled.
   *
   * @param isAll - Also where nothing was: the cluster forgets a place so long after its last commit.
   */
  async commit(places: Iterable<GroupPlace>, isAll: boolean): Promise<void> {
    // One of a topic that is gone may not come into another one of that name.
    const own = [...places].filter(
      ({ isDropped, topic }) => !isDropped && this.#catalog.partitionsOf(topic) > 0,
    );
    for (;;) {
      const offsets = own.map((place) => place.toCommit(this.#maxMetadataLength));
      const moved = offsets.filter(
        ({ offset, metadata }, i) =>
          isAll || offset !== own[i]!.committed.offset || metadata !== own[i]!.committed.metadata,
      );
      if (moved.length === 0) return;
      try {
        await this.#session.commit(moved);
      } catch (error) {
        if (!isFailure(error, 'too-large') || this.#maxMetadataLength === 0) throw error;
        this.#maxMetadataLength >>= 1;
        continue;
      }
      offsets.forEach((one, i) => (own[i]!.committed = one));
      return;
    }
  }
}

function nothingBeyond(before: number): PlaceState {
  return { partitionsBefore: before, settled: [], attempts: new Map() };
}

/** How many partitions the topic had when the group first had it. */
function partitionsBefore(known: readonly CommittedOffset[]): number | undefined {
  const places = known.filter(({ offset }) => offset >= 0);
  if (places.length === 0) return undefined;
  for (const { offset, metadata } of places) {
    const state = decodeMetadata(offset, metadata);
    if (state !== undefined) return state.partitionsBefore;
  }
  // Committed by another client.
  return Math.max(...places.map(({ partition }) => partition)) + 1;
}
