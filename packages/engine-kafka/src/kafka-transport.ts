import { setMaxListeners } from 'node:events';
import { type ConsumerLag, type EngineHealth, type Event, EventBusNotStartedError } from '@polybus/core';
import {
  type ListenRequest,
  type Listener,
  type ReadProgress,
  type Receiver,
  type Transport,
  type TransportContext,
  isPattern,
} from '@polybus/core/engine';
import { withTimeout } from './with-timeout.ts';
import { isFailure } from './client/failure.ts';
import type { KafkaClient, PartitionsByTopic } from './client/kafka-client.ts';
import { connectionError, subscribeError } from './errors.ts';
import { Group, type GroupContext } from './group/group.ts';
import { createClient } from './client/create-client.ts';
import type { KafkaOptions } from './options/options.ts';
import { pause } from './pause.ts';
import { PlainSubscription, type PlainContext } from './read/plain-subscription.ts';
import { Publisher } from './publish/publisher.ts';
import { Reader } from './read/reader.ts';
import { TopicCatalog } from './client/topic-catalog.ts';

interface Opened {
  readonly client: KafkaClient;
  readonly catalog: TopicCatalog;
  readonly publisher: Publisher;
  readonly reader: Reader;
  readonly plain: PlainContext;
  readonly group: GroupContext;
  readonly closing: AbortController;
  readonly engine: string;
}

const pingMs = 2000;
/** How long `close` waits for the cluster to accept what is on its way, and for groups to let go of their partitions. */
const closeMs = 2000;
const pinRetryMs = 50;
/** How long a subscription may try: as long as a topic that was created may be without leaders. */
const pinMs = 30_000;

/** Apache Kafka: a topic per topic, and consumer groups. */
export class KafkaTransport implements Transport {
  readonly #options: KafkaOptions;
  readonly #subscriptions = new Set<PlainSubscription>();
  readonly #groups = new Map<string, Group>();
  #client: KafkaClient | undefined;
  #opened: Opened | undefined;

  constructor(options: KafkaOptions) {
    this.#options = options;
  }

  async open(context: TransportContext): Promise<void> {
    const { name, logger, source } = context;
    const { consumer, producer, topics } = this.#options;
    let client: KafkaClient;
    try {
      this.#client = client = createClient(this.#options, logger);
      await client.connect();
    } catch (error) {
      throw connectionError(error, name);
    }
    const closing = new AbortController();
    // As many as there are subscriptions that begin: no leak.
    setMaxListeners(0, closing.signal);
    const catalog = new TopicCatalog(client, topics, logger, name, closing.signal);
    const reader = new Reader(client, catalog, consumer, logger, closing.signal);
    const startedAt = new Date();
    const onLoss = (topic: string, reason: string): void => {
      context.missed({ topic, reason, since: startedAt, until: new Date() });
    };
    const shared = { client, catalog, reader, onLoss, closing: closing.signal };
    this.#opened = {
      client,
      catalog,
      reader,
      closing,
      engine: name,
      publisher: new Publisher({ client, catalog, options: producer, source, engine: name, logger }),
      plain: shared,
      group: { ...shared, options: consumer, logger },
    };
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    const client = this.#client;
    this.#opened = this.#client = undefined;
    if (opened !== undefined) {
      const groups = [...this.#groups.values()];
      this.#groups.clear();
      for (const subscription of this.#subscriptions) subscription.stop();
      this.#subscriptions.clear();
      const ends = [opened.publisher.close(closeMs), ...groups.map((group) => group.close())];
      await withTimeout(Promise.allSettled(ends), closeMs + 500).catch(() => {});
      opened.closing.abort(new Error('the engine is closed'));
    }
    await client?.close();
  }

  send(event: Event, signal?: AbortSignal): Promise<void> {
    return this.#opened!.publisher.send(event, signal);
  }

  async listen(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const opened = this.#opened!;
    try {
      return await this.#listen(opened, request, receiver);
    } catch (error) {
      throw subscribeError(error, request.pattern, opened.engine);
    }
  }

  async #listen(opened: Opened, request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const { catalog } = opened;
    // Asked anew: a subscription that begins now is to know every topic, and every partition, that there is now.
    await catalog.refresh();
    if (!isPattern(request.pattern)) await catalog.ensure(request.pattern);
    this.#assertOpen(opened);
    const groupId = request.group ?? this.#options.groupId;
    return groupId === undefined
      ? this.#listenAlone(opened, request, receiver)
      : this.#listenInGroup(opened, groupId, request, receiver);
  }

  async #listenAlone(opened: Opened, request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const { catalog, closing } = opened;
    const deadline = performance.now() + pinMs;
    for (;;) {
      const subscription = new PlainSubscription(request, receiver, opened.plain);
      this.#subscriptions.add(subscription);
      const stop = async (): Promise<void> => {
        this.#subscriptions.delete(subscription);
        subscription.stop();
      };
      try {
        await subscription.start();
        this.#assertOpen(opened);
        return { stop };
      } catch (error) {
        await stop();
        // A topic went, or a leader, while it was being asked.
        if (!isFailure(error, 'unknown-topic', 'passing') || performance.now() >= deadline) throw error;
        await pause(pinRetryMs, closing.signal);
        await catalog.refresh();
      }
    }
  }

  async #listenInGroup(
    opened: Opened,
    groupId: string,
    request: ListenRequest,
    receiver: Receiver,
  ): Promise<Listener> {
    const isShared = request.group !== undefined;
    const key = `${isShared ? 'group' : 'process'} ${groupId}`;
    while (this.#groups.get(key)?.isClosing === true) await this.#groups.get(key)?.closed;
    // One that began now would outlive the engine.
    this.#assertOpen(opened);
    const group = this.#groups.get(key) ?? this.#begin(key, groupId, isShared, opened);
    const leave = await group.listen(request, receiver);
    return { stop: async () => leave() };
  }

  #begin(key: string, groupId: string, isShared: boolean, opened: Opened): Group {
    const group = new Group(groupId, isShared, opened.group, () => {
      // Another one may have its place by now, in a life after this.
      if (this.#groups.get(key) === group) this.#groups.delete(key);
    });
    this.#groups.set(key, group);
    return group;
  }

  /** While something was awaited the engine may have been stopped, and started again. */
  #assertOpen(opened: Opened): void {
    if (this.#opened !== opened)
      throw new EventBusNotStartedError('subscribe', 'stopping', { engine: opened.engine });
  }

  async ping(): Promise<void> {
    await withTimeout(this.#opened!.catalog.refresh(), pingMs);
  }

  *progress(): Iterable<ReadProgress> {
    if (this.#opened === undefined) return;
    const consumers = [...this.#subscriptions, ...this.#groups.values()];
    for (const topic of this.#opened.catalog.unready()) {
      if (!consumers.some((one) => one.wants(topic))) continue;
      yield { source: `the topic "${topic}"`, position: 0, behind: 'it has partitions without a leader' };
    }
    for (const subscription of this.#subscriptions) yield* subscription.unread();
    yield* this.#opened.reader.progress();
    yield this.#opened.publisher.progress;
    for (const group of this.#groups.values()) yield group.progress;
  }

  async lag(): Promise<readonly ConsumerLag[]> {
    const opened = this.#opened;
    if (opened === undefined) return [];
    const consumers = [...this.#subscriptions, ...this.#groups.values()];
    const asked = new Map<string, Set<number>>();
    for (const consumer of consumers) {
      for (const [topic, partitions] of consumer.partitions()) {
        asked.set(topic, new Set([...(asked.get(topic) ?? []), ...partitions]));
      }
    }
    const partitions: PartitionsByTopic = new Map([...asked].map(([topic, ids]) => [topic, [...ids]]));
    const ends = await opened.client.offsets(partitions, 'latest');
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
    // What passes is the cluster's, and `ping` says how that is.
    const lasting = troubles.find(({ isLasting }) => isLasting);
    if (lasting === undefined) return { details };
    return { status: 'degraded', error: `The group "${lasting.group}" ${lasting.message}`, details };
  }
}
