import type { StartPosition } from '@polybus/core';
import {
  type ListenRequest,
  type Listener,
  type ReadProgress,
  type Receiver,
  isPattern,
  matchesTopic,
} from '@polybus/core/engine';
import { BlockingReader } from './blocking-reader.ts';
import type { BusyPoll } from './busy-poll.ts';
import type { Connection } from '../client/connection.ts';
import { type Cursor, PlainSubscription } from './plain-subscription.ts';
import { type StreamEntry, decodeEntry } from '../store/stream-entry.ts';
import { compareIds, firstId, idBefore } from '../store/stream-ids.ts';
import type { StreamStore } from '../store/stream-store.ts';
import { parseNews } from './topic-news.ts';

interface TopicReader {
  position: string;
  readonly followers: Map<Cursor, PlainSubscription>;
}

/** The maximum number of entries of each stream in one read. */
const readCount = 500;
/** A process whose timer comes this much late stood still, and events may have been trimmed meanwhile. Milliseconds. */
const stoodStillMs = 250;

/** Reads each topic once for all subscriptions without a group, and decodes each event once. */
export class SharedReader {
  readonly #store: StreamStore;
  readonly #reader: BlockingReader;
  readonly #topics = new Map<string, TopicReader>();
  readonly #subscriptions = new Set<PlainSubscription>();
  readonly #live = {
    positionOf: (topic: string) => this.#topics.get(topic)?.position,
    join: (cursor: Cursor) => this.#join(cursor),
  };
  /** The last topic that was announced; undefined as long as there is no pattern. */
  #newsAt: string | undefined;
  /** When the timer fired last, by `performance.now()`. */
  #tickedAt = performance.now();
  readonly #timer: NodeJS.Timeout;

  constructor(connection: Connection, store: StreamStore, id: string, busyPoll: BusyPoll) {
    this.#store = store;
    const source = {
      streams: () => this.#streams(),
      onEntries: (stream: string, entries: readonly StreamEntry[], after: string) =>
        this.#onEntries(stream, entries, after),
      onRestored: () => this.#separateAll(),
      // Separate reads find the stream that the server refuses.
      onRefused: () => this.#separateAll(),
    };
    this.#reader = new BlockingReader(connection, store, source, { id, count: readCount, busyPoll });
    this.#timer = setInterval(() => this.#tick(), stoodStillMs).unref();
  }

  /** Resolves when the subscription has a position in every topic: it misses no later event. */
  async listen(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const { pattern, from } = request;
    const subscription = new PlainSubscription(request, receiver, this.#store, this.#live);
    const stop = async (): Promise<void> => this.#leave(subscription);
    try {
      if (isPattern(pattern)) await this.#addPattern(subscription, from);
      else await this.#addTopic(subscription, pattern, from);
    } catch (error) {
      await stop();
      throw error;
    }
    this.#subscriptions.add(subscription);
    this.#reader.start();
    return { stop };
  }

  async #addTopic(subscription: PlainSubscription, topic: string, from: StartPosition): Promise<void> {
    const last = await this.#store.lastId(topic);
    this.#begin(subscription, topic, last, from);
  }

  async #addPattern(subscription: PlainSubscription, from: StartPosition): Promise<void> {
    // Added before the command is sent: an announcement may overtake the answer.
    this.#subscriptions.add(subscription);
    const { news, topics } = await this.#store.snapshot(subscription.request.pattern, '', '');
    if (this.#newsAt === undefined) {
      this.#newsAt = news;
      this.#reader.interrupt();
    }
    for (const [topic, last] of topics) this.#begin(subscription, topic, last, from);
    for (const early of subscription.knowsTopicsUntil(news)) this.#announce(subscription, early);
  }

  #begin(subscription: PlainSubscription, topic: string, last: string, from: StartPosition): void {
    if (from === 'latest') {
      // An empty stream may have had entries that were trimmed before this subscription.
      const cursor = subscription.add(topic, last, true, last === firstId);
      this.#follow(cursor, subscription);
    } else {
      subscription.add(topic, from === 'earliest' ? firstId : idBefore(from), false, true);
    }
  }

  #follow(cursor: Cursor, subscription: PlainSubscription): void {
    let reader = this.#topics.get(cursor.topic);
    if (reader === undefined) {
      reader = { position: cursor.position, followers: new Map() };
      this.#topics.set(cursor.topic, reader);
      this.#reader.interrupt();
    }
    reader.followers.set(cursor, subscription);
  }

  #join(cursor: Cursor): void {
    for (const subscription of this.#subscriptions) {
      if (subscription.cursors.get(cursor.topic) === cursor) this.#follow(cursor, subscription);
    }
  }

  #unfollow(cursor: Cursor): void {
    const reader = this.#topics.get(cursor.topic);
    if (reader === undefined) return;
    reader.followers.delete(cursor);
    // No follower has room: new entries stay on the server.
    if (reader.followers.size === 0) this.#topics.delete(cursor.topic);
  }

  #leave(subscription: PlainSubscription): void {
    subscription.stop();
    this.#subscriptions.delete(subscription);
    for (const cursor of subscription.cursors.values()) this.#unfollow(cursor);
  }

  *#streams(): Iterable<readonly [string, string]> {
    const { keys } = this.#store;
    // Reads that failed are tried again once in each round.
    this.resume();
    if (this.#newsAt !== undefined) yield [keys.news, this.#newsAt];
    for (const [topic, { position }] of this.#topics) yield [keys.stream(topic), position];
  }

  #onEntries(stream: string, entries: readonly StreamEntry[], after: string): void {
    if (stream === this.#store.keys.news) {
      for (const entry of entries) this.#onNews(entry);
      return;
    }
    const topic = this.#store.keys.topicOf(stream);
    const reader = this.#topics.get(topic);
    // The topic may have been left and joined again while this read was on its way: at an earlier position, so that these entries are
    // not the next ones …
    if (reader === undefined || compareIds(after, reader.position) > 0) return;
    // A follower without room for all entries leaves, and still has to run with those that it has received.
    const followers = [...reader.followers.values()];
    for (const entry of entries) {
      // … or at a later position.
      if (compareIds(entry.id, reader.position) <= 0) continue;
      reader.position = entry.id;
      const decoded = decodeEntry(topic, entry);
      for (const [cursor, subscription] of reader.followers) {
        if (!subscription.offer(cursor, entry.id, decoded)) this.#unfollow(cursor);
      }
    }
    for (const { receiver } of followers) receiver.run();
  }

  #onNews(entry: StreamEntry): void {
    this.#newsAt = entry.id;
    for (const subscription of this.#subscriptions) {
      if (isPattern(subscription.request.pattern) && subscription.isNews(entry))
        this.#announce(subscription, entry);
    }
  }

  #announce(subscription: PlainSubscription, entry: StreamEntry): void {
    const { topic, before } = parseNews(entry);
    const { pattern, from } = subscription.request;
    if (!matchesTopic(pattern, topic) || subscription.cursors.has(topic)) return;
    // From the topic's first event, unless `from` is in the future.
    const start = from instanceof Date && compareIds(idBefore(from), before) > 0 ? idBefore(from) : before;
    subscription.add(topic, start, false, from !== 'latest');
  }

  #tick(): void {
    const now = performance.now();
    const hasStoodStill = now - this.#tickedAt > 2 * stoodStillMs;
    this.#tickedAt = now;
    if (hasStoodStill) this.#separateAll();
  }

  /** Lets each follower read for itself, to find events that were trimmed meanwhile: the shared reader would not notice these. */
  #separateAll(): void {
    for (const { followers } of this.#topics.values())
      for (const [cursor, subscription] of followers) subscription.fallBehind(cursor);
    this.#topics.clear();
    this.resume();
  }

  /** After the connection was lost: cursors that were catching up continue. */
  resume(): void {
    for (const subscription of this.#subscriptions) subscription.resume();
  }

  *progress(): Iterable<ReadProgress> {
    yield this.#reader.progress('the reader of the subscriptions without a group');
    for (const subscription of this.#subscriptions) yield* subscription.progress();
  }

  stop(): Promise<void> {
    clearInterval(this.#timer);
    for (const subscription of this.#subscriptions) subscription.stop();
    return this.#reader.stop();
  }
}
