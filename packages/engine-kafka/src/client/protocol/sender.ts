import { settlesWithin } from '@polybus/core/engine-kit';
import { KafkaFailure } from '../failure.ts';
import type { OnLate, OutgoingRecord, Refusal, TopicRecords } from '../kafka-client.ts';
import type { Connections, Library, Producer, RefusedBatch } from './broker.ts';
import { askAny, lateMs } from './first-answer.ts';
import { type Partitioner, partitionerFor } from './partitioner.ts';
import { Sequences } from './sequences.ts';
import { isDuplicate, toFailure } from './to-failure.ts';
import type { ProducerOptions } from '../../options/options.ts';

/** How long topics are cached, in milliseconds. As in kafkajs. */
const metadataMs = 300_000;

/** How long topics are cached while a broker does not answer, in milliseconds: others may come to lead its partitions. */
const lateMetadataMs = 3000;

/** The records of one partition in one request. */
interface Share {
  readonly topic: string;
  readonly partition: number;
  readonly records: OutgoingRecord[];
}

/**
 * Sends without the producer of the client library, which does not report which records of a request were refused: all would have
 * to be sent again, and accepted records would be duplicated.
 */
export class Sender {
  readonly connections: Connections;
  readonly #options: ProducerOptions;
  readonly #partitioner: Partitioner;
  readonly #sequences: Sequences | undefined;
  /**
   * The partitions of records that are sent again, because the broker may have written them although no answer came. Kafka's Java client
   * does not choose again either: partitions that were added meanwhile must not get a second copy.
   */
  readonly #chosen = new WeakMap<OutgoingRecord, number>();
  #hasChosen = false;
  #topics: ReadonlyMap<string, readonly number[]> = new Map();
  /** Brokers that have not answered a request in time: nothing is sent to them until they do, or their connection ends. */
  readonly #late = new Set<number>();
  /** Looks up topics while brokers do not answer, also if nothing else is sent: the library then notices that a broker is gone. */
  #lookups: NodeJS.Timeout | undefined;
  /** Until when the topics are cached, by `performance.now()`. */
  #until = 0;

  constructor(library: Library, options: ProducerOptions) {
    this.connections = library.connections('polybus', options.requestTimeoutMs);
    this.#options = options;
    this.#partitioner = partitionerFor(options.keyless);
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
    this.#topics = (await this.connections.look()).topics;
    this.#until = performance.now() + metadataMs;
  }

  /** The records by the leader of their partition. Records without a leader are refused. */
  #shares(batch: readonly TopicRecords[], refusals: Refusal[]): Map<number, Share[]> {
    const shares = new Map<number, Share[]>();
    for (const { topic, records } of batch) {
      const leaders = this.#topics.get(topic) ?? [];
      if (leaders.length === 0) {
        const failure = new KafkaFailure('unknown-topic', `the topic "${topic}" does not exist`, undefined);
        refusals.push({ records, failure });
        continue;
      }
      for (const share of this.#byPartition(topic, leaders, records)) {
        const leader = leaders[share.partition] ?? -1;
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
    leaders: readonly number[],
    records: readonly OutgoingRecord[],
  ): Iterable<Share> {
    const shares = new Map<number, Share>();
    for (const record of records) {
      const chosen = this.#hasChosen ? this.#chosen.get(record) : undefined;
      const partition =
        chosen !== undefined && chosen < leaders.length
          ? chosen
          : this.#partitioner(topic, record.key, leaders);
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
    const { acks, compression, requestTimeoutMs: timeoutMs } = this.#options;
    try {
      const connected = await this.connections.broker(broker);
      const refused = await connected.produce({
        acks,
        timeoutMs,
        compression,
        producer: this.#sequences?.producer,
        batches: shares.map((share) => ({ ...share, firstSequence: this.#sequences?.of(share) ?? 0 })),
      });
      return this.#refusalsOf(shares, refused);
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

  #refusalsOf(shares: readonly Share[], refused: readonly RefusedBatch[]): readonly Refusal[] {
    const refusals: Refusal[] = [];
    const errors = new Map<string, unknown>();
    for (const { topic, partition, error } of refused)
      if (!isDuplicate(error)) errors.set(`${topic}:${partition}`, error);
    for (const share of shares) {
      const error = errors.size === 0 ? undefined : errors.get(`${share.topic}:${share.partition}`);
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

  #newProducer(): Promise<Producer> {
    return askAny(this.connections, (any) => any.newProducer(this.#options.requestTimeoutMs));
  }
}
