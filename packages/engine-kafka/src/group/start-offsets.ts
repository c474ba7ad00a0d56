import type { StartPosition } from '@polybus/core';
import { KafkaFailure, isFailure } from '../client/failure.ts';
import type {
  CommittedOffset,
  GroupSession,
  KafkaClient,
  OffsetPosition,
  PartitionsByTopic,
} from '../client/kafka-client.ts';
import { messageOf } from '../errors.ts';
import { withTimeout } from '../with-timeout.ts';
import { type PartitionState, decodeMetadata, encodeMetadata, maxMetadataLength } from './metadata.ts';
import type { TopicCatalog } from '../client/topic-catalog.ts';

/** Where a member begins to read a partition. */
export interface StartPoint {
  readonly at: CommittedOffset;
  readonly state: PartitionState;
}

/** Where the group's subscriptions begin in a topic for which no offset is committed. */
export interface Beginning {
  readonly from: StartPosition;
  /** True if the topic was created after the subscription. */
  readonly isCreated: boolean;
}

export interface StartPoints {
  readonly starts: readonly StartPoint[];
  /** Topics that this user may not read, with the error. */
  readonly refusals: ReadonlyMap<string, KafkaFailure>;
  /** Topics whose offsets could not be looked up, with the error. */
  readonly failures: ReadonlyMap<string, KafkaFailure>;
}

/** A partition for which the group has no committed offset. */
interface Uncommitted {
  readonly topic: string;
  readonly partition: number;
  readonly partitionsBefore: number;
  readonly from: OffsetPosition;
}

/**
 * Finds the offsets at which the group begins to read partitions. The metadata of each committed offset says how many partitions the
 * topic had when the group first read it. Every member reads a partition that was added later from its first event.
 */
export class StartOffsets {
  readonly #client: KafkaClient;
  readonly #session: GroupSession;
  readonly #catalog: TopicCatalog;

  constructor(client: KafkaClient, session: GroupSession, catalog: TopicCatalog) {
    this.#client = client;
    this.#session = session;
    this.#catalog = catalog;
  }

  /**
   * Where to begin in these partitions. Commits the start offset of a partition that has no committed offset: whichever member
   * gets the partition later begins at the same event.
   *
   * @param timeoutMs - How long the lookup of a topic may take.
   * @param isWanted - False if another member may have the partitions by now: then nothing is committed or returned.
   */
  async start(
    partitions: PartitionsByTopic,
    beginningOf: (topic: string) => Beginning,
    timeoutMs: number,
    isWanted: () => boolean = () => true,
  ): Promise<StartPoints> {
    const known = await this.#session.committed(this.#allOf(partitions));
    const starts: StartPoint[] = [];
    const uncommitted: StartPoint[] = [];
    const failures = new Map<string, KafkaFailure>();
    // Topic by topic, so that a topic for which no broker answers does not hold up the others.
    const lookups = [...partitions].map(async ([topic, ids]) => {
      const ofTopic = known.filter((one) => one.topic === topic);
      try {
        const lookup = this.#startOf(topic, ids, ofTopic, beginningOf(topic));
        const { committed, found } = await withTimeout(lookup, timeoutMs);
        starts.push(...committed);
        uncommitted.push(...found);
      } catch (error) {
        failures.set(topic, isFailure(error) ? error : new KafkaFailure('passing', messageOf(error), error));
      }
    });
    await Promise.all(lookups);
    if (!isWanted()) return { starts: [], refusals: new Map(), failures: new Map() };
    const refusals = await this.#commitEach(uncommitted.map(({ at }) => at));
    starts.push(...uncommitted.filter(({ at }) => !refusals.has(at.topic)));
    return { starts, refusals, failures };
  }

  async #startOf(
    topic: string,
    ids: readonly number[],
    known: readonly CommittedOffset[],
    { from, isCreated }: Beginning,
  ): Promise<{ readonly committed: readonly StartPoint[]; readonly found: readonly StartPoint[] }> {
    const starts: StartPoint[] = [];
    const uncommitted: Uncommitted[] = [];
    const before = partitionsBefore(known) ?? (isCreated ? 0 : known.length);
    for (const partition of ids) {
      const at = known.find((one) => one.partition === partition);
      if (at !== undefined && at.offset >= 0) {
        starts.push({ at, state: decodeMetadata(at.offset, at.metadata) ?? nothingBeyond(before) });
      } else {
        const position = partition >= before ? 'earliest' : from;
        uncommitted.push({ topic, partition, partitionsBefore: before, from: position });
      }
    }
    return { committed: await this.#withinTheirLogs(starts), found: await this.#find(uncommitted) };
  }

  /** A log that ends before a settled offset has lost events: other events have those offsets now, or will have them. */
  async #withinTheirLogs(starts: readonly StartPoint[]): Promise<StartPoint[]> {
    const asked = new Map<string, number[]>();
    for (const { at, state } of starts)
      if (state.settled.length > 0) asked.set(at.topic, [...(asked.get(at.topic) ?? []), at.partition]);
    if (asked.size === 0) return [...starts];
    const ends = await this.#client.offsets(asked, 'latest');
    return starts.map(({ at, state }) => {
      const end = ends.find(({ topic, partition }) => topic === at.topic && partition === at.partition);
      const isWithin = end === undefined || state.settled.every(({ to }) => to <= end.offset);
      return { at, state: isWithin ? state : nothingBeyond(state.partitionsBefore) };
    });
  }

  /** Commits topic by topic if the cluster refuses a commit, because its answer does not name the topic. Returns the refusals. */
  async #commitEach(offsets: readonly CommittedOffset[]): Promise<Map<string, KafkaFailure>> {
    const refusals = new Map<string, KafkaFailure>();
    if (offsets.length === 0) return refusals;
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

  /** All partitions of these topics that are known here or to the member that assigned them. */
  #allOf(assigned: PartitionsByTopic): PartitionsByTopic {
    const known = this.#catalog.allPartitionsOf(assigned.keys());
    return new Map(
      [...assigned].map(([topic, ids]) => {
        const count = Math.max(known.get(topic)?.length ?? 0, ...ids.map((id) => id + 1));
        return [topic, Array.from({ length: count }, (_, partition) => partition)];
      }),
    );
  }

  async #find(uncommitted: readonly Uncommitted[]): Promise<StartPoint[]> {
    const found: StartPoint[] = [];
    for (const from of new Set(uncommitted.map((one) => one.from))) {
      const wanted = uncommitted.filter((one) => one.from === from);
      const partitions = new Map<string, number[]>();
      for (const { topic, partition } of wanted) {
        partitions.set(topic, [...(partitions.get(topic) ?? []), partition]);
      }
      const offsets = await this.#client.offsets(partitions, from);
      if (offsets.length < wanted.length) {
        throw new KafkaFailure('passing', 'some partitions have no leader', undefined);
      }
      // Negative if no event is as recent as the given date: begin with the next event.
      const ends = offsets.some(({ offset }) => offset < 0)
        ? await this.#client.offsets(partitions, 'latest')
        : [];
      for (const { topic, partition, partitionsBefore: before } of wanted) {
        const isIt = (other: { topic: string; partition: number }): boolean =>
          other.topic === topic && other.partition === partition;
        const first = offsets.find(isIt)?.offset ?? -1;
        const offset = first < 0 ? (ends.find(isIt)?.offset ?? 0) : first;
        const state = nothingBeyond(before);
        const metadata = encodeMetadata(offset, state, maxMetadataLength);
        found.push({ at: { topic, partition, offset, metadata }, state });
      }
    }
    return found;
  }

  /** True if the group has a committed offset in every partition of these topics. */
  async isStarted(topics: Iterable<string>): Promise<boolean> {
    const known = await this.#session.committed(this.#catalog.allPartitionsOf(topics));
    return known.every(({ offset }) => offset >= 0);
  }
}

function nothingBeyond(before: number): PartitionState {
  return { partitionsBefore: before, settled: [], attempts: new Map() };
}

/** How many partitions the topic had when the group first read it. */
function partitionsBefore(known: readonly CommittedOffset[]): number | undefined {
  const committed = known.filter(({ offset }) => offset >= 0);
  if (committed.length === 0) return undefined;
  for (const { offset, metadata } of committed) {
    const state = decodeMetadata(offset, metadata);
    if (state !== undefined) return state.partitionsBefore;
  }
  // Committed by another client.
  return Math.max(...committed.map(({ partition }) => partition)) + 1;
}
