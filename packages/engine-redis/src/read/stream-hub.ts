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
import { type Cursor, PlainSubscription } from './plain-cursor.ts';
import { type StreamEntry, decodeEntry } from '../store/stream-entry.ts';
import { compareIds, firstId, idBefore } from '../store/stream-ids.ts';
import type { StreamStore } from '../store/stream-store.ts';
import { parseNews } from './topic-news.ts';

interface TopicReader {
  position: string;
  readonly followers: Map<Cursor, PlainSubscription>;
}

/** How many entries of each stream one read brings at most. */
const readCount = 500;

/** Reads each topic once for all subscriptions without a group, and decodes each event once. */
export class StreamHub {
  readonly #store: StreamStore;
  readonly #reader: BlockingReader;
  readonly #topics = new Map<string, TopicReader>();
  readonly #subscriptions = new Set<PlainSubscription>();
  readonly #live = {
    positionOf: (topic: string) => this.#topics.get(topic)?.position,
    join: (cursor: Cursor) => this.#join(cursor),
  };
  /** The last topic that is known to be new; undefined while there was no pattern. */
  #newsAt: string | undefined;

  constructor(connection: Connection, store: StreamStore, id: string, busyPoll: BusyPoll) {
    this.#store = store;
    const source = {
      streams: () => this.#streams(),
      onEntries: (stream: string, entries: readonly StreamEntry[], after: string) =>
        this.#onEntries(stream, entries, after),
      onRestored: () => this.#partAll(),
      // Only reads of their own tell the one that is refused from the others.
      onRefused: () => this.#partAll(),
    };
    this.#reader = new BlockingReader(connection, store, source, { id, count: readCount, busyPoll });
  }

  /** Resolves when the subscription's place in every topic is pinned: from there on it misses nothing. */
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
    // Known to the reader before the server is asked: news may overtake the answer.
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
      // Where nothing is, something may have been; it was trimmed before this subscription.
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
    // Nobody has room: what comes stays with the server.
    if (reader.followers.size === 0) this.#topics.delete(cursor.topic);
  }

  #leave(subscription: PlainSubscription): void {
    subscription.stop();
    this.#subscriptions.delete(subscription);
    for (const cursor of subscription.cursors.values()) this.#unfollow(cursor);
  }

  *#streams(): Iterable<readonly [string, string]> {
    const { keys } = this.#store;
    // What failed to catch up, or was missed, is tried again once a round.
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
    // The reader may have been made anew while this read was on its way: further back, so that this is not what comes next …
    if (reader === undefined || compareIds(after, reader.position) > 0) return;
    // One that has no room for all of it leaves the reader, and is still to run with what it has got.
    const given = [...reader.followers.values()];
    for (const entry of entries) {
      // … or further on.
      if (compareIds(entry.id, reader.position) <= 0) continue;
      reader.position = entry.id;
      const decoded = decodeEntry(topic, entry);
      for (const [cursor, subscription] of reader.followers) {
        if (!subscription.offer(cursor, entry.id, decoded)) this.#unfollow(cursor);
      }
    }
    for (const { receiver } of given) receiver.run();
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
    // From its first event, whichever that was; a start in the future is still to come.
    const start = from instanceof Date && compareIds(idBefore(from), before) > 0 ? idBefore(from) : before;
    subscription.add(topic, start, false, from !== 'latest');
  }

  /** Each looks for itself what it has missed: a read that goes on would not say what was trimmed meanwhile. */
  #partAll(): void {
    for (const { followers } of this.#topics.values())
      for (const [cursor, subscription] of followers) subscription.fallBehind(cursor);
    this.#topics.clear();
    this.resume();
  }

  /** After the connection was lost: those that were catching up go on. */
  resume(): void {
    for (const subscription of this.#subscriptions) subscription.resume();
  }

  *progress(): Iterable<ReadProgress> {
    yield this.#reader.progress('the reader of the subscriptions without a group');
    for (const subscription of this.#subscriptions) yield* subscription.progress();
  }

  stop(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.stop();
    return this.#reader.stop();
  }
}
