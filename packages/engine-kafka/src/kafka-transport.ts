import { setMaxListeners } from 'node:events';
import {
  type ConsumerLag,
  type EngineHealth,
  type Event,
  EventBusNotStartedError,
  InvalidOptionError,
} from '@polybus/core';
import {
  type Delay,
  type ListenRequest,
  type Listener,
  type ReadProgress,
  type Receiver,
  type Transport,
  type TransportContext,
  isPattern,
} from '@polybus/core/engine';
import { DelayedTopics, backoffMs, onAbort, pause } from '@polybus/core/engine-kit';
import { withTimeout } from './with-timeout.ts';
import { isFailure } from './client/failure.ts';
import type { KafkaClient, PartitionsByTopic } from './client/kafka-client.ts';
import { connectionError, lagError, subscribeError } from './errors.ts';
import { Group, type GroupContext } from './group/group.ts';
import { createClient } from './client/create-client.ts';
import type { KafkaOptions } from './options/options.ts';
import { PlainSubscription, type PlainContext } from './read/plain-subscription.ts';
import { Publisher } from './publish/publisher.ts';
import { Reader } from './read/reader.ts';
import { TopicCatalog } from './client/topic-catalog.ts';

const pingMs = 2000;
/** How long `close` waits for the answers to publishes, and for groups to leave. */
const closeMs = 2000;
const startBackoffMs = 50;
const maxStartBackoffMs = 1000;
/** How long a subscription may try to look up its start offsets: as long as a new topic may be without leaders. */
const startTimeoutMs = 30_000;

/** Apache Kafka: a topic per topic, and consumer groups. */
export class KafkaTransport implements Transport {
  readonly #options: KafkaOptions;
  readonly #engine: string;
  readonly #client: KafkaClient;
  readonly #catalog: TopicCatalog;
  readonly #publisher: Publisher;
  readonly #reader: Reader;
  readonly #plain: PlainContext;
  readonly #group: GroupContext;
  readonly #closing = new AbortController();
  readonly #subscriptions = new Set<PlainSubscription>();
  readonly #groups = new Map<string, Group>();
  readonly #delayed: DelayedTopics;
  #isClosed = false;

  private constructor(options: KafkaOptions, client: KafkaClient, context: TransportContext) {
    const { name, logger, source } = context;
    const { consumer, producer, topics } = options;
    const closing = this.#closing.signal;
    // Each subscription that begins adds a listener.
    setMaxListeners(0, closing);
    const catalog = new TopicCatalog(client, topics, logger, name, closing);
    const reader = new Reader(client, catalog, consumer, logger, closing);
    const startedAt = new Date();
    const onLoss = (topic: string, reason: string): void => {
      context.missed({ topic, reason, since: startedAt, until: new Date() });
    };
    this.#options = options;
    this.#engine = name;
    this.#client = client;
    this.#catalog = catalog;
    this.#reader = reader;
    this.#publisher = new Publisher({ client, catalog, options: producer, source, engine: name, logger });
    this.#plain = { client, catalog, reader, onLoss, closing };
    this.#group = { ...this.#plain, options: consumer, logger };
    this.#delayed = new DelayedTopics({
      prefix: options.delayedTopics,
      send: (event, signal) => this.send(event, signal),
      listen: (request, receiver) => this.listen(request, receiver),
      logger,
    });
    // Another process has delayed events, which this process publishes, too.
    catalog.onChange = () => {
      for (const topic of catalog.names()) if (this.#delayed.has(topic)) this.#delayed.begin();
    };
  }

  /** @throws {@link KafkaConnectionError} if no broker can be reached, or none accepts the user. */
  static async open(options: KafkaOptions, context: TransportContext): Promise<KafkaTransport> {
    const { name, logger, signal } = context;
    let client: KafkaClient | undefined;
    const close = async (): Promise<void> => client?.close().catch(() => {});
    const unlink = onAbort(signal, () => void close());
    try {
      client = await createClient(options, logger, name);
      signal.throwIfAborted();
      await client.connect();
      signal.throwIfAborted();
      return new KafkaTransport(options, client, context);
    } catch (error) {
      await close();
      throw connectionError(error, name);
    } finally {
      unlink();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#delayed.close();
    const groups = [...this.#groups.values()];
    this.#groups.clear();
    for (const subscription of this.#subscriptions) subscription.stop();
    this.#subscriptions.clear();
    const ends = [this.#publisher.close(closeMs), ...groups.map((group) => group.close())];
    await withTimeout(Promise.allSettled(ends), closeMs + 500).catch(() => {});
    this.#closing.abort(new Error('the engine is closed'));
    await this.#client.close();
  }

  send(event: Event, signal?: AbortSignal): Promise<void> {
    return this.#publisher.send(event, signal);
  }

  sendDelayed(event: Event, delay: Delay, signal?: AbortSignal): Promise<void> {
    return this.#delayed.send(event, delay, signal);
  }

  async listen(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    try {
      return await this.#listen(request, receiver);
    } catch (error) {
      throw subscribeError(error, request.pattern, this.#engine);
    }
  }

  async #listen(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    // Two members with one group: each would get a part of the events.
    if (request.group !== undefined && request.group === this.#options.groupId)
      throw new InvalidOptionError('group', request.group, 'a name other than the groupId of the engine', {
        topic: request.pattern,
        engine: this.#engine,
      });
    // A new subscription must know all topics and partitions that exist now.
    await this.#whileAway(async () => {
      await this.#catalog.refresh();
      if (!isPattern(request.pattern)) await this.#catalog.ensure(request.pattern);
    });
    this.#assertOpen();
    const groupId = request.group ?? this.#options.groupId;
    return groupId === undefined
      ? this.#listenAlone(request, receiver)
      : this.#listenInGroup(groupId, request, receiver);
  }

  #listenAlone(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    return this.#whileAway(async (failures) => {
      if (failures > 0) await this.#catalog.refresh();
      const subscription = new PlainSubscription(request, receiver, this.#plain);
      this.#subscriptions.add(subscription);
      const stop = async (): Promise<void> => {
        this.#subscriptions.delete(subscription);
        subscription.stop();
      };
      try {
        await subscription.start();
        this.#assertOpen();
        return { stop };
      } catch (error) {
        await stop();
        throw error;
      }
    });
  }

  /** Tries again while the cluster does not answer, or a topic or a leader has gone during the work, for up to `startTimeoutMs`. */
  async #whileAway<T>(work: (failures: number) => Promise<T>): Promise<T> {
    const deadline = performance.now() + startTimeoutMs;
    for (let failures = 0; ;) {
      try {
        return await work(failures);
      } catch (error) {
        failures++;
        if (!isFailure(error, 'unknown-topic', 'passing') || performance.now() >= deadline) throw error;
        await pause(backoffMs(failures, startBackoffMs, maxStartBackoffMs), this.#closing.signal);
      }
    }
  }

  async #listenInGroup(groupId: string, request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const isShared = request.group !== undefined;
    const key = `${isShared ? 'group' : 'process'} ${groupId}`;
    while (this.#groups.get(key)?.isClosing === true) await this.#groups.get(key)?.closed;
    // A group that begins now would outlive the engine.
    this.#assertOpen();
    const group = this.#groups.get(key) ?? this.#begin(key, groupId, isShared);
    const leave = await group.listen(request, receiver);
    return { stop: async () => leave() };
  }

  #begin(key: string, groupId: string, isShared: boolean): Group {
    const group = new Group(groupId, isShared, this.#group, () => {
      // Another group may have the key by now.
      if (this.#groups.get(key) === group) this.#groups.delete(key);
    });
    this.#groups.set(key, group);
    return group;
  }

  /** The engine may have been stopped during an `await`. */
  #assertOpen(): void {
    if (this.#isClosed) throw new EventBusNotStartedError('subscribe', 'stopping', { engine: this.#engine });
  }

  async ping(): Promise<void> {
    await withTimeout(this.#catalog.refresh(), pingMs);
  }

  *progress(): Iterable<ReadProgress> {
    const consumers = [...this.#subscriptions, ...this.#groups.values()];
    for (const topic of this.#catalog.unready()) {
      if (!consumers.some((one) => one.wants(topic))) continue;
      yield { source: `the topic "${topic}"`, position: 0, behind: 'it has partitions without a leader' };
    }
    for (const subscription of this.#subscriptions) yield* subscription.unread();
    yield* this.#reader.progress();
    yield this.#publisher.progress;
    for (const group of this.#groups.values()) yield* group.progress();
  }

  async lag(): Promise<readonly ConsumerLag[]> {
    const consumers = [...this.#subscriptions, ...this.#groups.values()];
    const requested = new Map<string, Set<number>>();
    for (const consumer of consumers) {
      for (const [topic, partitions] of consumer.partitions()) {
        requested.set(topic, new Set([...(requested.get(topic) ?? []), ...partitions]));
      }
    }
    const partitions: PartitionsByTopic = new Map([...requested].map(([topic, ids]) => [topic, [...ids]]));
    const answers = await this.#catalog.ends(partitions);
    if (answers.length > 0 && answers.every(({ failure }) => failure !== undefined))
      throw lagError(answers[0]!.failure, this.#engine);
    const ends = answers.flatMap((answer) => answer.ends);
    const byPartition = new Map(ends.map((one) => [`${one.topic}:${one.partition}`, one.offset]));
    const endOf = (topic: string, partition: number): number | undefined =>
      byPartition.get(`${topic}:${partition}`);
    return consumers.flatMap((consumer) => [...consumer.lag(endOf)]);
  }

  describe(): Pick<EngineHealth, 'details'> & Partial<Pick<EngineHealth, 'status' | 'error'>> {
    const open = [...this.#groups.values()].filter((group) => !group.isClosing);
    const groups = open.map((group) => group.groupId);
    const troubles = open.flatMap(({ groupId, trouble }) =>
      trouble === undefined ? [] : [{ group: groupId, ...trouble }],
    );
    if (troubles.length === 0) return { details: { groups } };
    const details = {
      groups,
      troubles: Object.fromEntries(troubles.map(({ group, message }) => [group, message])),
    };
    // `ping` reports failures of the cluster that may pass.
    const lasting = troubles.find(({ isLasting }) => isLasting);
    if (lasting === undefined) return { details };
    return { status: 'degraded', error: `The group "${lasting.group}" ${lasting.message}`, details };
  }
}
