import { backoffMs, pause } from '@polybus/core/engine-kit';
import type {
  FetchRequest,
  FetchedPartition,
  GroupSession,
  KafkaClient,
  OffsetPosition,
  OnLate,
  PartitionOffset,
  PartitionsByTopic,
  Refusal,
  TopicRecords,
} from '../kafka-client.ts';
import { byLeader } from '../by-leader.ts';
import type { Broker, Connections, GroupTimes, Library } from './broker.ts';
import { askAny } from './first-answer.ts';
import { Member } from './member.ts';
import { Sender } from './sender.ts';
import { toFailure } from './to-failure.ts';
import { withTimeout } from '../../with-timeout.ts';
import type { ProducerOptions } from '../../options/options.ts';

export interface ClusterOptions extends GroupTimes {
  readonly producer: ProducerOptions;
  readonly readUncommitted: boolean;
  readonly connectTimeoutMs: number;
}

/** How long closing the connections may take, in milliseconds. */
const disconnectMs = 1000;
const initialBackoffMs = 100;
const maxBackoffMs = 1000;
/** How long a broker may take for an answer, in milliseconds. As in Kafka's Java client. */
const answerMs = 30_000;
const readCommitted = 1;
const readUncommitted = 0;
/** Special timestamps for the ends of a partition. */
const timestamps = { latest: -1, earliest: -2 } as const;

/** The client of the engine, over a client library. */
export class ClusterClient implements KafkaClient {
  readonly #library: Library;
  readonly #options: ClusterOptions;
  readonly #reading: Connections;
  readonly #groups = new Set<Connections>();
  readonly #closing = new AbortController();
  readonly #sender: Sender;

  constructor(library: Library, options: ClusterOptions) {
    this.#library = library;
    this.#options = options;
    this.#reading = library.connections('polybus', answerMs);
    this.#sender = new Sender(library, options.producer);
  }

  async connect(): Promise<void> {
    const { signal } = this.#closing;
    const deadline = performance.now() + this.#options.connectTimeoutMs;
    for (let failures = 1; ; failures++) {
      const waitMs = backoffMs(failures, initialBackoffMs, maxBackoffMs);
      try {
        const all = [this.#reading, this.#sender.connections];
        const attempt = Promise.all(all.map((one) => this.#connect(one)));
        await withTimeout(attempt, deadline - performance.now(), signal);
        await withTimeout(this.#reading.look(), deadline - performance.now(), signal);
        return;
      } catch (error) {
        const failure = toFailure(error);
        if (failure.kind !== 'passing' || signal.aborted || performance.now() + waitMs >= deadline)
          throw failure;
      }
      // Rejects if the client is closed meanwhile.
      await pause(waitMs, signal);
    }
  }

  async #connect(connections: Connections): Promise<void> {
    await connections.connect();
    // The user's `Kafka` may retry, and connect after `close` has ended the other connections.
    if (this.#closing.signal.aborted) await connections.close();
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the engine is closed'));
    this.#library.close();
    const all = [...this.#groups, this.#reading, this.#sender.connections];
    await withTimeout(Promise.allSettled(all.map((one) => one.close())), disconnectMs).catch(() => {});
  }

  async topics(): Promise<ReadonlyMap<string, readonly number[]>> {
    return this.#try(async () => (await this.#reading.look()).topics);
  }

  async createTopic(topic: string, partitions: number, replicationFactor: number): Promise<void> {
    await this.#try(() =>
      askAny(
        this.#reading,
        (broker) => broker.createTopic(topic, partitions, replicationFactor),
        this.#reading.seen?.controllerId,
      ),
    );
  }

  maxBatchBytes(topic: string): Promise<number | undefined> {
    return this.#configured((broker) => broker.configured('topic', topic, 'max.message.bytes'));
  }

  maxRequestBytes(): Promise<number | undefined> {
    // A broker answers for itself alone.
    return this.#configured((broker) =>
      broker.configured('broker', String(broker.id), 'socket.request.max.bytes'),
    );
  }

  #configured(ask: (broker: Broker) => Promise<string | null | undefined>): Promise<number | undefined> {
    return this.#try(async () => {
      const value = Number(await askAny(this.#reading, ask));
      return Number.isFinite(value) && value > 0 ? value : undefined;
    });
  }

  async offsets(partitions: PartitionsByTopic, at: OffsetPosition): Promise<readonly PartitionOffset[]> {
    // Kafka refuses times before the epoch, or takes them for special timestamps.
    const timestamp =
      at instanceof Date && at.getTime() > 0 ? at.getTime() : timestamps[at === 'latest' ? at : 'earliest'];
    return this.#try(async () => {
      const asked = [...this.#byLeader(partitions)].map(async ([leader, led]) =>
        (await this.#reading.broker(leader)).offsets(led, timestamp, this.#isolationLevel),
      );
      return (await Promise.all(asked)).flat();
    });
  }

  async fetch(broker: number, request: FetchRequest): Promise<readonly FetchedPartition[]> {
    return this.#try(async () => (await this.#reading.broker(broker)).fetch(request, this.#isolationLevel));
  }

  get #isolationLevel(): number {
    return this.#options.readUncommitted ? readUncommitted : readCommitted;
  }

  send(batch: readonly TopicRecords[], onLate?: OnLate): Promise<readonly Refusal[]> {
    return this.#try(() => this.#sender.send(batch, onLate));
  }

  resetProducer(): void {
    this.#sender.reset();
  }

  group(groupId: string): GroupSession {
    // An answer that takes longer is useless, because the session has ended.
    const connections = this.#library.connections(groupId, this.#options.sessionTimeoutMs);
    this.#groups.add(connections);
    return new Member(connections, this.#reading, groupId, this.#options, async () => {
      this.#groups.delete(connections);
      await withTimeout(connections.close(), disconnectMs).catch(() => {});
    });
  }

  /** The partitions that have a leader, by that leader. */
  #byLeader(partitions: PartitionsByTopic): ReadonlyMap<number, PartitionsByTopic> {
    const known = this.#reading.seen?.topics;
    return byLeader(partitions, (topic, partition) => known?.get(topic)?.[partition]);
  }

  async #try<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toFailure(error);
    }
  }
}
