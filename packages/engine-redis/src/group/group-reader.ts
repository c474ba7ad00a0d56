import type { StartPosition } from '@polybus/core';
import {
  type ListenRequest,
  type Listener,
  type ReadProgress,
  type Receiver,
  isPattern,
  matchesTopic,
} from '@polybus/core/engine';
import { settlesWithin } from '@polybus/core/engine-kit';
import type { Connection } from '../client/connection.ts';
import { inBatches } from '../client/in-batches.ts';
import { isAnswer } from '../errors.ts';
import { BlockingReader } from '../read/blocking-reader.ts';
import type { BusyPoll } from '../read/busy-poll.ts';
import { parseNews } from '../read/topic-news.ts';
import type { StreamEntry } from '../store/stream-entry.ts';
import { compareIds, firstId, idBefore } from '../store/stream-ids.ts';
import type { StreamStore } from '../store/stream-store.ts';
import { ConsumerCommands } from './consumer-commands.ts';
import { type HeartbeatSource, Heartbeats } from './heartbeats.ts';
import { type MemberTopic, readWaitMs } from './member-topic.ts';
import { LocalMember } from './local-member.ts';

/** The maximum number of reads behind a blocking one: each costs the server a little, even if it returns nothing. */
const maxFollowing = 4;
/** The maximum number of announcements of topics in a read. */
const maxNews = 500;
/** How long `stop` waits for consumers to leave their groups. Otherwise others notice that their leases have ended. Milliseconds. */
const leaveTimeoutMs = 1000;

/** Reads for all group members of this engine: waits for new entries with one blocking read, and lets members read. */
export class GroupReader implements HeartbeatSource {
  readonly #store: StreamStore;
  readonly #id: string;
  readonly #reader: BlockingReader;
  readonly members: Set<LocalMember> = new Set();
  readonly leaving: Set<LocalMember> = new Set();
  readonly #byTopic = new Map<string, Set<LocalMember>>();
  readonly #heartbeats: Heartbeats;
  /** The last topic that was announced; undefined as long as there is no pattern. */
  #newsAt: string | undefined;
  #consumers = 0;
  /** Counts the reads of the blocking reader. */
  #round = 0;
  /** Counts up, so that each time another member is the first to read. */
  #turn = 0;

  constructor(connection: Connection, store: StreamStore, id: string, busyPoll: BusyPoll) {
    this.#store = store;
    this.#id = id;
    const source = {
      streams: () => this.#streams(),
      onEntries: (stream: string, entries: readonly StreamEntry[]) => this.#onEntries(stream, entries),
      onSent: (reader: Connection) => this.#follow(reader),
      onWakeUp: (topic: string, group: string) => this.#look(topic, group),
      onRestored: () => this.#reconnected(),
    };
    // Members read for themselves: one entry is enough to know that there is something to read.
    this.#reader = new BlockingReader(connection, store, source, { id, count: 1, busyPoll });
    this.#heartbeats = new Heartbeats(store, this);
    store.connection.listen({
      onRestored: () => {
        this.#heartbeats.reconnected();
        this.#reconnected();
      },
    });
  }

  /** Resolves when the group exists in every topic. */
  async listen(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const { pattern, from } = request;
    const consumer = `${this.#id}.${++this.#consumers}`;
    const member = new LocalMember(request, receiver, consumer, this.#store, () => this.#reader.interrupt());
    this.members.add(member);
    const since = performance.now();
    try {
      if (isPattern(pattern)) await this.#addPattern(member, from, since);
      else {
        await this.#store.createGroup(pattern, member.group, startOf(from), consumer);
        member.lease.renewed(since);
        this.#add(member, pattern);
      }
    } catch (error) {
      this.#leave(member);
      throw error;
    }
    this.#reader.start();
    return { stop: async () => this.#leave(member) };
  }

  async #addPattern(member: LocalMember, from: StartPosition, since: number): Promise<void> {
    const { request, group, consumer } = member;
    const { news, topics } = await this.#store.snapshot(request.pattern, group, startOf(from), consumer);
    member.lease.renewed(since);
    // Reading earlier news again is harmless: the group exists already, and creating it again changes nothing.
    this.#newsAt ??= news;
    for (const [topic, after] of topics) this.#add(member, topic, after);
    this.#reader.interrupt();
  }

  /** The server knows the patterns of groups, unless it has lost its data. */
  async registerPattern(member: LocalMember): Promise<void> {
    const { group, consumer, request, topics } = member;
    const { pattern, from } = request;
    if (!isPattern(pattern)) return;
    if (!(await this.#store.registerPattern(pattern, group, startOf(from)))) return;
    const snapshot = await this.#store.snapshot(pattern, group, firstId, consumer);
    for (const [topic, after] of snapshot.topics)
      if (!topics.has(topic) && this.members.has(member)) this.#add(member, topic, after);
  }

  /** @param after - The id after which the group begins if it does not exist yet. */
  #add(member: LocalMember, topic: string, after?: string): void {
    let members = this.#byTopic.get(topic);
    if (members === undefined) this.#byTopic.set(topic, (members = new Set()));
    members.add(member);
    void member.add(topic, after).poll();
  }

  #leave(member: LocalMember): void {
    this.members.delete(member);
    for (const topic of member.topics.keys()) {
      const members = this.#byTopic.get(topic);
      members?.delete(member);
      if (members?.size === 0) this.#byTopic.delete(topic);
    }
    member.stop();
    this.leaving.add(member);
    void member.ended.then(() => this.leaving.delete(member));
  }

  /** The topics that the groups of this engine read, each with those groups. */
  get groups(): (readonly [topic: string, groups: ReadonlySet<string>])[] {
    return [...this.#byTopic].map(([topic, members]) => [
      topic,
      new Set([...members].map(({ group }) => group)),
    ]);
  }

  *progress(): Iterable<ReadProgress> {
    yield this.#reader.progress('the reader of the groups');
    for (const member of this.members) yield* member.progress();
  }

  *#streams(): Iterable<readonly [string, string]> {
    const { keys } = this.#store;
    // A read that failed while the connection was up is tried again once in each round.
    for (const member of this.members) member.resume();
    if (this.#newsAt !== undefined) yield [keys.news, this.#newsAt];
    for (const [topic, members] of this.#byTopic) {
      // The member that is furthest behind: entries may have been added after its last read and before the last read of another.
      let first: string | undefined;
      for (const { topics } of members) {
        const end = topics.get(topic)?.end;
        if (end !== undefined && (first === undefined || compareIds(end, first) < 0)) first = end;
      }
      // If no member has read to the end, none waits for new entries.
      if (first !== undefined) yield [keys.stream(topic), first];
    }
  }

  #onEntries(stream: string, entries: readonly StreamEntry[]): Promise<void> | undefined {
    if (stream === this.#store.keys.news) return this.#onAllNews(entries);
    const reads = this.#wake(this.#store.keys.topicOf(stream));
    return reads.length === 0 ? undefined : waitBriefly(reads);
  }

  /** Lets the members of a topic read. Returns the reads of members that have not sent one behind the blocking read. */
  #wake(topic: string): Promise<void>[] {
    const reads: Promise<void>[] = [];
    for (const member of rotated([...(this.#byTopic.get(topic) ?? [])], this.#turn++)) {
      const read = member.topics.get(topic)?.wake(this.#round);
      if (read !== undefined) reads.push(read);
    }
    return reads;
  }

  #look(topic: string, group: string): void {
    for (const member of rotated([...(this.#byTopic.get(topic) ?? [])], this.#turn++))
      if (member.group === group) member.topics.get(topic)?.look();
  }

  /** Sends reads of members behind the blocking read. */
  #follow(reader: Connection): Promise<void> | undefined {
    this.#round++;
    const waiting: MemberTopic[] = [];
    for (const [name, members] of this.#byTopic)
      for (const { topics } of members) {
        const topic = topics.get(name);
        if (topic?.end !== undefined) waiting.push(topic);
      }
    const following: Promise<void>[] = [];
    const count = Math.min(waiting.length, maxFollowing);
    for (const topic of rotated(waiting, this.#turn++).slice(0, count)) {
      const read = topic.follow(this.#round, count, reader);
      if (read !== undefined) following.push(read);
    }
    return following.length < 2 ? following[0] : Promise.all(following).then(() => {});
  }

  async #onAllNews(entries: readonly StreamEntry[]): Promise<void> {
    // A blocking read returns one entry of each stream, and many topics may be new at once.
    for (let news = entries; news.length > 0; news = await this.#store.newsAfter(this.#newsAt, maxNews)) {
      // At once: each of the topics would cost a round trip.
      await inBatches([...this.#missing(news)], ([member, topic, before]) =>
        this.#join(member, topic, before),
      );
      // Only now: if something failed, the news is read again.
      this.#newsAt = news.at(-1)!.id;
    }
  }

  /** The announced topics that members do not read yet. */
  *#missing(news: readonly StreamEntry[]): Iterable<[member: LocalMember, topic: string, before: string]> {
    const patterns = [...this.members].filter(({ request: { pattern } }) => isPattern(pattern));
    for (const { topic, before } of news.map(parseNews))
      for (const member of patterns)
        if (matchesTopic(member.request.pattern, topic) && !member.topics.has(topic))
          yield [member, topic, before];
  }

  /** @param before - The id after which the events of the topic begin. */
  async #join(member: LocalMember, topic: string, before: string): Promise<void> {
    const { group, consumer, request } = member;
    const { from } = request;
    const start = from instanceof Date && compareIds(idBefore(from), before) > 0 ? idBefore(from) : before;
    try {
      await this.#store.createGroup(topic, group, start, consumer);
    } catch (error) {
      // A topic that the server refuses must not keep the member from later topics. The member keeps trying to read it.
      if (!isAnswer(error)) throw error;
    }
    if (this.members.has(member)) this.#add(member, topic, start);
    // It was stopped meanwhile.
    else await new ConsumerCommands(this.#store, topic, group, consumer).leave();
  }

  #reconnected(): void {
    for (const member of this.members) member.reconnected();
  }

  /** Stops all members, and gives their consumers time to leave their groups. */
  async stop(): Promise<void> {
    this.#heartbeats.stop();
    for (const member of [...this.members]) this.#leave(member);
    const ending = Promise.all([...this.leaving].map(({ ended }) => ended)).then(() =>
      this.#heartbeats.ended(),
    );
    await settlesWithin(ending, leaveTimeoutMs);
    // Only now: reads that wait behind its blocking read would read for consumers that have left.
    await this.#reader.stop();
  }
}

/** Waits for reads of members, but not so long that the other topics have to wait. */
async function waitBriefly(reads: readonly Promise<void>[]): Promise<void> {
  await settlesWithin(Promise.all(reads), readWaitMs);
}

/** The same items, beginning with another one. */
function rotated<T>(items: readonly T[], turn: number): readonly T[] {
  if (items.length < 2) return items;
  const first = turn % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

/** The id after which a new group begins. */
function startOf(from: StartPosition): string {
  if (from === 'latest') return '$';
  return from === 'earliest' ? firstId : idBefore(from);
}
