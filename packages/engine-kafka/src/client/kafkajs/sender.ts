import { settlesWithin } from '@polybus/core/engine-kit';
import kafkajs from 'kafkajs';
import type { Kafka, PartitionerArgs } from 'kafkajs';
import { KafkaFailure } from '../failure.ts';
import type { OnLate, OutgoingRecord, Refusal, TopicRecords } from '../kafka-client.ts';
import type { Produced, TopicMetadata } from './connection/lenient-broker.ts';
import { type Connections, askAny, brokerOf, openConnections } from './connection/connections.ts';
import { toFailure } from './failure.ts';
import { partitionerFor } from './partitioner.ts';
import { Sequences } from './sequences.ts';
import type { ProducerOptions } from '../../options/options.ts';

/** How long topics are cached, in milliseconds. As in kafkajs. */
const metadataMs = 300_000;

/** How long a broker may take for an answer before `send` continues without it, in milliseconds. */
const lateMs = 1000;

/** How long topics are cached while a broker does not answer, in milliseconds: others may come to lead its partitions. */
const lateMetadataMs = 3000;

const compressionTypes = {
  none: kafkajs.CompressionTypes.None,
  gzip: kafkajs.CompressionTypes.GZIP,
  snappy: kafkajs.CompressionTypes.Snappy,
  lz4: kafkajs.CompressionTypes.LZ4,
  zstd: kafkajs.CompressionTypes.ZSTD,
};

/** The records of one partition in one request. */
interface Share {
  readonly topic: string;
  readonly partition: number;
  readonly records: OutgoingRecord[];
}

/**
 * Sends over connections of kafkajs, without its producer, which does not report which records of a request were refused: all
 * would have to be sent again, and accepted records would be duplicated.
 */
export class KafkajsSender {
  readonly connections: Connections;
  readonly #options: ProducerOptions;
  readonly #partitioner: ReturnType<ReturnType<typeof partitionerFor>>;
  readonly #sequences: Sequences | undefined;
  /**
   * The partitions of records that are sent again, because the broker may have written them although no answer came. Kafka's Java client
   * does not choose again either: partitions that were added meanwhile must not get a second copy.
   */
  readonly #chosen = new WeakMap<OutgoingRecord, number>();
  #hasChosen = false;
  #topics: ReadonlyMap<string, TopicMetadata> = new Map();
  /** Brokers that have not answered a request in time: nothing is sent to them until they do, or their connection ends. */
  readonly #late = new Set<number>();
  /** Looks up topics while brokers do not answer, also if nothing else is sent: kafkajs then notices that a broker is gone. */
  #lookups: NodeJS.Timeout | undefined;
  /** Until when the topics are cached, by `performance.now()`. */
  #until = 0;

  constructor(kafka: Kafka, options: ProducerOptions) {
    this.connections = openConnections(kafka, 'polybus', options.requestTimeoutMs);
    this.#options = options;
    this.#partitioner = partitionerFor(options.keyless)();
    this.#sequences = options.idempotent ? new Sequences() : undefined;
  }

  /** Discards cached topics and sequence numbers. */
  reset(): void {
    this.#until = 0;
    this.#sequences?.reset();
  }

  async send(batch: readonly TopicRecords[], onLate?: OnLate): Promise<readonly Refusal[]> {
    const isKnown = batch.every(({ topic }) => this.#topics.has(topic));
    if (!isKnown || performance.now() >= this.#until) await this.#refresh(onLate !== undefined);
    const refusals: Refusal[] = [];
    const shares = this.#shares(batch, refusals);
    if (refusals.length > 0) this.#until = 0;
    await this.#sequences?.begin([...shares.values()].flat(), () => this.#newProducer());
    const waiting = new Map<number, Promise<readonly Refusal[]>>();
    const answers = [...shares].map(async ([broker, ofBroker]) => {
      const answer = this.#sendTo(broker, ofBroker);
      waiting.set(broker, answer);
      const refused = await answer;
      if (waiting.delete(broker)) refusals.push(...refused);
      else this.#answered(broker);
    });
    const all = Promise.all(answers);
    await settlesWithin(all, lateMs);
    if (waiting.size > 0)
      this.#lookups ??= setInterval(() => void this.#look().catch(() => {}), lateMetadataMs).unref();
    if (onLate === undefined) await all.finally(() => this.#endLookups());
    for (const [broker, answer] of waiting) {
      waiting.delete(broker);
      this.#late.add(broker);
      onLate?.(
        shares.get(broker)!.flatMap(({ records }) => records),
        answer,
      );
    }
    return refusals;
  }

  #answered(broker: number): void {
    this.#late.delete(broker);
    this.#endLookups();
  }

  #endLookups(): void {
    if (this.#late.size > 0) return;
    clearInterval(this.#lookups);
    this.#lookups = undefined;
  }

  /** @param isBounded - True to continue with the cached topics if no broker answers soon. */
  async #refresh(isBounded: boolean): Promise<void> {
    const looking = this.#look();
    if (!isBounded || (await settlesWithin(looking, lateMs))) await looking;
    else this.#until = performance.now() + lateMetadataMs;
  }

  async #look(): Promise<void> {
    const { topicMetadata } = await this.connections.look();
    this.#topics = new Map(topicMetadata.map((one) => [one.topic, one]));
    this.#until = performance.now() + metadataMs;
  }

  /** The records by the leader of their partition. Records without a leader are refused. */
  #shares(batch: readonly TopicRecords[], refusals: Refusal[]): Map<number, Share[]> {
    const shares = new Map<number, Share[]>();
    for (const { topic, records } of batch) {
      const partitions = [...(this.#topics.get(topic)?.partitionMetadata ?? [])];
      if (partitions.length === 0) {
        const failure = new KafkaFailure('unknown-topic', `the topic "${topic}" does not exist`, undefined);
        refusals.push({ records, failure });
        continue;
      }
      for (const share of this.#byPartition(topic, partitions, records)) {
        const leader = partitions.find(({ partitionId }) => partitionId === share.partition)?.leader ?? -1;
        if (leader < 0) {
          const failure = new KafkaFailure(
            'passing',
            `partition ${share.partition} of "${topic}" has no leader`,
            undefined,
          );
          refusals.push({ records: share.records, failure });
          continue;
        }
        const ofBroker = shares.get(leader);
        if (ofBroker === undefined) shares.set(leader, [share]);
        else ofBroker.push(share);
      }
    }
    return shares;
  }

  #byPartition(
    topic: string,
    partitions: TopicMetadata['partitionMetadata'],
    records: readonly OutgoingRecord[],
  ): Iterable<Share> {
    const shares = new Map<number, Share>();
    const partitionMetadata = partitions as PartitionerArgs['partitionMetadata'];
    for (const record of records) {
      const chosen = this.#hasChosen ? this.#chosen.get(record) : undefined;
      const partition =
        chosen !== undefined && partitions.some(({ partitionId }) => partitionId === chosen)
          ? chosen
          : this.#partitioner({ topic, partitionMetadata, message: record });
      const share = shares.get(partition);
      if (share === undefined) shares.set(partition, { topic, partition, records: [record] });
      else share.records.push(record);
    }
    return shares.values();
  }

  /** Never rejects. */
  async #sendTo(broker: number, shares: readonly Share[]): Promise<readonly Refusal[]> {
    if (this.#late.has(broker)) {
      const failure = new KafkaFailure('passing', `broker ${broker} does not answer`, undefined);
      return shares.map(({ records }) => ({ records, failure }));
    }
    const refusals = await this.#request(broker, shares);
    if (refusals.length > 0) this.#until = 0;
    return refusals;
  }

  async #request(broker: number, shares: readonly Share[]): Promise<readonly Refusal[]> {
    const { acks, compression, requestTimeoutMs } = this.#options;
    const byTopic = new Map<string, Share[]>();
    for (const share of shares) byTopic.set(share.topic, [...(byTopic.get(share.topic) ?? []), share]);
    try {
      const connected = await brokerOf(this.connections.cluster, broker);
      const answer = await connected.produce({
        acks,
        timeout: requestTimeoutMs,
        compression: compressionTypes[compression],
        ...this.#sequences?.producer,
        topicData: [...byTopic].map(([topic, ofTopic]) => ({
          topic,
          partitions: ofTopic.map((share) => ({
            partition: share.partition,
            firstSequence: this.#sequences?.of(share) ?? 0,
            messages: share.records,
          })),
        })),
      });
      return this.#refusalsOf(shares, answer);
    } catch (error) {
      const failure = toFailure(error);
      for (const share of shares) this.#remember(share);
      return shares.map(({ records }) => ({ records, failure }));
    }
  }

  #remember({ records, partition }: Share): void {
    this.#hasChosen = true;
    for (const record of records) this.#chosen.set(record, partition);
  }

  #refusalsOf(shares: readonly Share[], answer: Produced | undefined): readonly Refusal[] {
    const refusals: Refusal[] = [];
    const errors = new Map<string, unknown>();
    for (const { topicName, partitions } of answer?.topics ?? []) {
      for (const { partition, error } of partitions) {
        if (error !== undefined && !isDuplicate(error)) errors.set(`${topicName}:${partition}`, error);
      }
    }
    for (const share of shares) {
      const error = errors.get(`${share.topic}:${share.partition}`);
      if (error === undefined) {
        this.#sequences?.accepted(share);
        continue;
      }
      const failure = toFailure(error);
      // After a failure that may pass, the batch may have been written, on too few replicas.
      if (failure.kind === 'passing') this.#remember(share);
      else this.#sequences?.refused(share);
      refusals.push({ records: share.records, failure });
    }
    return refusals;
  }

  async #newProducer(): Promise<{ producerId: unknown; producerEpoch: number }> {
    const transactionTimeout = this.#options.requestTimeoutMs;
    const { producerId, producerEpoch } = await askAny(this.connections.cluster, (any) =>
      any.initProducerId({ transactionTimeout }),
    );
    return { producerId, producerEpoch };
  }
}

/** The broker has the batch from a previous attempt, whose answer was lost. */
function isDuplicate(error: unknown): boolean {
  return (error as { type?: string }).type === 'DUPLICATE_SEQUENCE_NUMBER';
}
