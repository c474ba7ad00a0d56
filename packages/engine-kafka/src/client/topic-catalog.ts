import type { Logger } from '@polybus/core';
import { assertTopic } from '@polybus/core/engine';
import { backoffMs, pause } from '@polybus/core/engine-kit';
import { isFailure } from './failure.ts';
import type { KafkaClient, PartitionsByTopic } from './kafka-client.ts';
import { type LeaderEnds, endsByLeader } from './leader-ends.ts';
import { KafkaTopicError, messageOf } from '../errors.ts';
import type { TopicOptions } from '../options/options.ts';

/** Called when topics, partitions or leaders have changed. */
export type OnTopics = (catalog: TopicCatalog) => void;

/** Topics that the cluster uses itself. No pattern matches them. */
const internalTopics: ReadonlySet<string> = new Set([
  '__consumer_offsets',
  '__transaction_state',
  '__share_group_state',
  '__cluster_metadata',
]);

const initialBackoffMs = 25;
const maxBackoffMs = 500;
/** How long a new topic may be without leaders. */
const leaderMs = 30_000;

/** The topics of the cluster and the leaders of their partitions. Looks them up at intervals and on request, and creates topics. */
export class TopicCatalog {
  readonly #client: KafkaClient;
  readonly #options: TopicOptions;
  readonly #logger: Logger;
  readonly #engine: string;
  readonly #closing: AbortSignal;
  readonly #listeners = new Set<OnTopics>();
  /** Called at changes, too, but topics are not looked up for it. */
  onChange: OnTopics | undefined = undefined;
  readonly #creating = new Map<string, Promise<void>>();
  #leaders: ReadonlyMap<string, readonly number[]> = new Map();
  /** Topics whose partitions have all had leaders. A topic that loses a leader later stays ready. */
  #ready: ReadonlySet<string> = new Set();
  /**
   * Topics that are missing from the last answer. They count as deleted if the next answer does not have them either, because a
   * broker may be behind.
   */
  #missed: ReadonlySet<string> = new Set();
  #refreshing: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    client: KafkaClient,
    options: TopicOptions,
    logger: Logger,
    engine: string,
    closing: AbortSignal,
  ) {
    this.#client = client;
    this.#options = options;
    this.#logger = logger;
    this.#engine = engine;
    this.#closing = closing;
    closing.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
  }

  /** Looks topics up at intervals while there is a listener. */
  watch(listener: OnTopics): void {
    this.#listeners.add(listener);
    this.#schedule();
  }

  unwatch(listener: OnTopics): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size === 0) this.#unschedule();
  }

  has(topic: string): boolean {
    return this.#ready.has(topic);
  }

  /** The topics that patterns can match. */
  *names(): Iterable<string> {
    for (const name of this.#leaders.keys()) if (!internalTopics.has(name) && isTopic(name)) yield name;
  }

  /** Topics that cannot be read yet, because a partition has never had a leader. */
  *unready(): Iterable<string> {
    for (const name of this.names()) if (!this.has(name)) yield name;
  }

  partitionsOf(topic: string): number {
    return this.#leaders.get(topic)?.length ?? 0;
  }

  /** Each partition of each of these topics. */
  allPartitionsOf(topics: Iterable<string>): PartitionsByTopic {
    const all = new Map<string, readonly number[]>();
    for (const topic of topics) {
      const count = this.partitionsOf(topic);
      if (count > 0)
        all.set(
          topic,
          Array.from({ length: count }, (_, partition) => partition),
        );
    }
    return all;
  }

  leaderOf(topic: string, partition: number): number | undefined {
    const leader = this.#leaders.get(topic)?.[partition];
    return leader === undefined || leader < 0 ? undefined : leader;
  }

  /** Asks the leader of each partition for the offset after its last event. No answer waits for another leader. */
  ends(partitions: PartitionsByTopic): Promise<readonly LeaderEnds[]> {
    return endsByLeader(this.#client, partitions, (topic, partition) => this.leaderOf(topic, partition));
  }

  /** Resolves with an answer that was requested after this call: a lookup in progress may have missed a change. */
  refresh(): Promise<void> {
    if (this.#refreshing === undefined) return this.#begin();
    return (this.#next ??= this.#refreshing
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#begin();
      }));
  }

  #begin(): Promise<void> {
    return (this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined)));
  }

  async #refresh(): Promise<void> {
    const [before, wereReady] = [this.#leaders, this.#ready];
    const after = new Map(await this.#client.topics());
    const missed = new Set<string>();
    for (const [topic, leaders] of before) {
      if (after.has(topic) || this.#missed.has(topic)) continue;
      missed.add(topic);
      after.set(topic, leaders);
    }
    const ready = new Set<string>();
    for (const [topic, leaders] of after) {
      // A topic with new partitions is ready once those have leaders.
      const isAsBefore = wereReady.has(topic) && before.get(topic)?.length === leaders.length;
      if (isAsBefore || isLed(leaders)) ready.add(topic);
    }
    [this.#leaders, this.#ready, this.#missed] = [after, ready, missed];
    const isSame =
      before.size === after.size &&
      [...after].every(
        ([topic, leaders]) =>
          isEqual(leaders, before.get(topic)) && wereReady.has(topic) === ready.has(topic),
      );
    if (isSame) return;
    this.onChange?.(this);
    for (const listener of this.#listeners) listener(this);
  }

  /**
   * Creates the topic if it does not exist. Resolves when each partition has a leader; returns undefined if that is known.
   *
   * @throws {@link KafkaTopicError} if the topic cannot be created.
   */
  ensure(topic: string): Promise<void> | undefined {
    let creating = this.#creating.get(topic);
    if (creating === undefined) {
      if (this.has(topic)) return undefined;
      creating = this.#ensure(topic).finally(() => this.#creating.delete(topic));
      this.#creating.set(topic, creating);
    }
    return creating;
  }

  async #ensure(topic: string): Promise<void> {
    const deadline = performance.now() + leaderMs;
    let tries = 0;
    const wait = (): Promise<void> =>
      pause(backoffMs(++tries, initialBackoffMs, maxBackoffMs), this.#closing);
    await this.refresh();
    while (!this.has(topic)) {
      if (performance.now() > deadline) {
        throw this.#refused(
          topic,
          'it has partitions without a leader, or this user may not see it (Describe).',
        );
      }
      if (!this.#leaders.has(topic)) await this.#create(topic);
      await this.refresh();
      if (!this.has(topic)) await wait();
    }
    while (!(await this.#isServed(topic))) {
      if (performance.now() > deadline)
        throw this.#refused(topic, 'its leaders do not know it, or do not answer.');
      await wait();
    }
  }

  /**
   * A leader may not know a new topic yet, and would refuse the first events. A leader that does not answer does not keep events from the
   * partitions of the others.
   */
  async #isServed(topic: string): Promise<boolean> {
    const answers = await this.ends(this.allPartitionsOf([topic]));
    const led = answers.reduce((sum, { asked }) => sum + asked, 0);
    const isServed = answers.every(({ asked, ends, failure }) =>
      // Fewer ends than partitions: the client has older metadata than the catalog.
      failure === undefined ? ends.length === asked : !isFailure(failure, 'unknown-topic', 'passing'),
    );
    if (isServed && led === this.partitionsOf(topic)) return true;
    await this.refresh();
    return false;
  }

  async #create(topic: string): Promise<void> {
    const { numPartitions, replicationFactor } = this.#options;
    const namesake = [...this.#leaders.keys()].find((name) => name !== topic && collides(name, topic));
    if (namesake !== undefined) throw this.#refused(topic, collision(namesake));
    try {
      await this.#client.createTopic(topic, numPartitions, replicationFactor);
    } catch (error) {
      if (isFailure(error, 'passing')) throw error;
      throw this.#refused(topic, `${messageOf(error)}. ${adviceFor(error)}`, error);
    }
  }

  #refused(topic: string, reason: string, cause?: unknown): KafkaTopicError {
    const message = `Kafka does not accept the topic "${topic}": ${reason}`;
    return new KafkaTopicError(message, { topic, engine: this.#engine, cause });
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#closing.aborted) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.refresh()
        .catch((error: unknown) => {
          this.#logger.debug?.('the topics could not be looked up', { error: messageOf(error) });
        })
        .finally(() => this.#listeners.size > 0 && this.#schedule());
    }, this.#options.metadataRefreshMs);
  }

  #unschedule(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** True if each partition has a leader. */
function isLed(leaders: readonly number[]): boolean {
  return leaders.length > 0 && !leaders.includes(-1) && !leaders.includes(undefined as never);
}

function isEqual(leaders: readonly number[], others: readonly number[] | undefined): boolean {
  return (
    leaders.length === others?.length && leaders.every((leader, partition) => leader === others[partition])
  );
}

function isTopic(name: string): boolean {
  try {
    assertTopic(name);
    return true;
  } catch {
    return false;
  }
}

/** Kafka refuses a topic whose name differs from another only in "." and "_", because its metrics do not distinguish them. */
function collides(a: string, b: string): boolean {
  return a.length === b.length && a.replaceAll('.', '_') === b.replaceAll('.', '_');
}

function collision(namesake: string): string {
  return `"${namesake}" exists, and Kafka does not distinguish "." from "_". Rename one of the topics.`;
}

function adviceFor(error: unknown): string {
  if (isFailure(error, 'refused')) return 'Allow this user to create topics, or create the topic beforehand.';
  if (isFailure(error, 'invalid-topic')) return 'Choose another name.';
  return 'Check numPartitions and replicationFactor, or create the topic beforehand.';
}
