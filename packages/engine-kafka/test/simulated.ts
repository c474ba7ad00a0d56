import type { Event } from '@polybus/core';
import type { Acknowledgement, ListenRequest, RawRecord, Receiver } from '@polybus/core/engine';
import { onTestFinished } from 'vitest';
import { type FailureKind, KafkaFailure } from '../src/client/failure.ts';
import type { FetchedRecord } from '../src/client/fetched-record.ts';
import type {
  Assignment,
  CommittedOffset,
  GroupSession,
  Joined,
  KafkaClient,
  MemberTopics,
  PartitionsByTopic,
} from '../src/client/kafka-client.ts';
import { Group } from '../src/group/group.ts';
import type { PartitionState } from '../src/group/metadata.ts';
import type { ConsumerOptions } from '../src/options/options.ts';
import { Reader } from '../src/read/reader.ts';
import { TopicCatalog } from '../src/client/topic-catalog.ts';
import { LogLines } from './support.ts';

const options: ConsumerOptions = {
  sessionTimeoutMs: 6000,
  heartbeatIntervalMs: 5,
  rebalanceTimeoutMs: 5000,
  commitIntervalMs: 5,
  commitCount: 1000,
  fetchMaxWaitMs: 1,
  fetchMaxBytes: 1_000_000,
  fetchMaxBytesPerPartition: 1_000_000,
  readUncommitted: false,
};

/** A topic of a cluster that is a few maps, for interleavings that a real one shows once in a thousand runs. */
export class SimulatedTopic {
  readonly ends: number[];
  /** What its first partition holds, from its beginning on. */
  readonly records: string[] = [];
  constructor(partitions: number) {
    this.ends = Array.from({ length: partitions }, () => 0);
  }
}

/** Answers immediately, and assigns the partitions that the test sets. */
export class Simulation implements GroupSession {
  readonly topics = new Map<string, SimulatedTopic>();
  readonly committedOffsets = new Map<string, CommittedOffset>();
  /** The results of the group's next joins, or their errors. */
  readonly joins: (() => Joined | Promise<Joined>)[] = [];
  readonly asked: { topics: readonly string[]; userData: string }[] = [];
  /** The results of the next heartbeats. */
  readonly beats: (() => void)[] = [];
  assign: ((members: readonly MemberTopics[]) => Promise<ReadonlyMap<string, Assignment>>) | undefined;
  generation = 0;
  /** Out of the group until it joins again. */
  isFenced = false;
  /** Topics for which the user may not commit offsets. */
  readonly refused = new Set<string>();
  readonly log = new LogLines();
  readonly closing = new AbortController();
  readonly catalog: TopicCatalog;
  readonly client: KafkaClient;
  readonly group: Group;

  constructor(isShared = true, given: Partial<ConsumerOptions> = {}) {
    const all = { ...options, ...given };
    this.client = this.#client();
    const { client, closing, log: logger } = this;
    const topics = { numPartitions: 1, replicationFactor: 1, metadataRefreshMs: 3_600_000 };
    this.catalog = new TopicCatalog(client, topics, logger, 'kafka', closing.signal);
    const { catalog } = this;
    const reader = new Reader(client, catalog, all, logger, closing.signal);
    const context = {
      client,
      catalog,
      reader,
      options: all,
      logger,
      closing: closing.signal,
      onLoss: () => {},
    };
    this.group = new Group('g', isShared, context, () => {});
    onTestFinished(async () => {
      closing.abort(new Error('the test is over'));
      await this.group.close();
    });
  }

  #client(): KafkaClient {
    const offsets: KafkaClient['offsets'] = async (partitions, at) =>
      each(partitions, (topic, partition) => ({
        topic,
        partition,
        offset: at === 'earliest' ? 0 : (this.topics.get(topic)?.ends[partition] ?? 0),
      }));
    return {
      connect: async () => {},
      close: async () => {},
      topics: async () => new Map([...this.topics].map(([name, { ends }]) => [name, ends.map(() => 1)])),
      createTopic: async (name, partitions) => void this.topics.set(name, new SimulatedTopic(partitions)),
      maxBatchBytes: async () => undefined,
      maxRequestBytes: async () => undefined,
      offsets,
      fetch: async (_, { positions }) => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        return positions.map(({ topic, partition, offset }) => {
          const all = partition === 0 ? (this.topics.get(topic)?.records ?? []) : [];
          const records = all.slice(offset).map((value, i) => recordOf(offset + i, value));
          const next = records.length === 0 ? undefined : all.length;
          const end = all.length;
          return { topic, partition, records, next, highWatermark: end, lastStable: end, failure: undefined };
        });
      },
      send: async () => [],
      resetProducer: () => {},
      group: () => this,
    };
  }

  /** All partitions that there are, as the member of a generation. */
  joined(generation: number, partitions: Record<string, number[]>, memberId = 'm'): Joined {
    return {
      memberId,
      generation,
      partitions: new Map(Object.entries(partitions)),
      aliveAt: performance.now(),
    };
  }

  async join(
    topics: readonly string[],
    userData: string,
    assign: (members: readonly MemberTopics[]) => Promise<ReadonlyMap<string, Assignment>>,
  ): Promise<Joined> {
    this.asked.push({ topics, userData });
    this.assign = assign;
    this.isFenced = false;
    const next = this.joins.shift();
    if (next !== undefined) return next();
    const all = topics.map((topic) => [topic, (this.topics.get(topic)?.ends ?? []).map((_, id) => id)]);
    return this.joined(++this.generation, Object.fromEntries(all) as Record<string, number[]>);
  }

  async heartbeat(): Promise<void> {
    this.beats.shift()?.();
  }

  async committed(partitions: PartitionsByTopic): Promise<readonly CommittedOffset[]> {
    return each(
      partitions,
      (topic, partition) =>
        this.committedOffsets.get(`${topic}:${partition}`) ?? { topic, partition, offset: -1, metadata: '' },
    );
  }

  async commit(offsets: readonly CommittedOffset[]): Promise<void> {
    if (this.isFenced) throw failure('fenced');
    const isRefused = ({ topic }: CommittedOffset): boolean => this.refused.has(topic);
    for (const one of offsets.filter((given) => !isRefused(given)))
      this.committedOffsets.set(`${one.topic}:${one.partition}`, one);
    if (offsets.some(isRefused)) throw failure('refused');
  }

  async leave(): Promise<void> {}
  async close(): Promise<void> {}
}

function each<T>(partitions: PartitionsByTopic, of: (topic: string, partition: number) => T): T[] {
  return [...partitions].flatMap(([topic, ids]) => ids.map((partition) => of(topic, partition)));
}

export function failure(kind: FailureKind): KafkaFailure {
  return new KafkaFailure(kind, kind, undefined);
}

export function recordOf(offset: number, value: string): FetchedRecord {
  return {
    offset,
    timestamp: 0,
    key: null,
    value: Buffer.from(value),
    headers: {},
    takers: 0,
    decoded: undefined,
  };
}

/** The start of a group in the only partition of "t". */
export const firstOffset: readonly [CommittedOffset, PartitionState] = [
  { topic: 't', partition: 0, offset: 0, metadata: '' },
  { partitionsBefore: 1, settled: [], attempts: new Map() },
];

export function request(pattern: string, given: Partial<ListenRequest> = {}): ListenRequest {
  return {
    subscriptionId: pattern,
    pattern,
    isAsync: false,
    group: 'g',
    from: 'latest',
    concurrency: 1,
    ...given,
  };
}

/** Keeps delivered events until the test settles or releases them. */
export class HeldReceiver implements Receiver {
  readonly isPaused = false;
  capacity = 100;
  onRoom: (() => void) | undefined;
  mayBegin: (() => boolean) | undefined;
  readonly held: { event: Event; acknowledgement: Acknowledgement }[] = [];
  deliver(event: Event, acknowledgement: Acknowledgement): void {
    this.enqueue(event, acknowledgement);
  }
  wants(): boolean {
    return true;
  }
  enqueue(event: Event, acknowledgement: Acknowledgement): void {
    this.held.push({ event, acknowledgement });
  }
  run(): void {}
  undecodable(_record: RawRecord, _acknowledgement: Acknowledgement): void {}
  withdraw(): void {}
  drop(): void {}
  beginWait(): boolean {
    return true;
  }
}
