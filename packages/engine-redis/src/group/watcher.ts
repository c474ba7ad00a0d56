import type { StartPosition } from '@polybus/core';
import {
  type ListenRequest,
  type Listener,
  type ReadProgress,
  type Receiver,
  isPattern,
  matchesTopic,
} from '@polybus/core/engine';
import { BlockingReader } from '../read/blocking-reader.ts';
import { briefly } from '../client/briefly.ts';
import type { BusyPoll } from '../read/busy-poll.ts';
import type { Connection } from '../client/connection.ts';
import { isAnswer, messageOf } from '../errors.ts';
import { GroupMember } from './member.ts';
import { inBatches } from '../client/in-batches.ts';
import type { StreamEntry } from '../store/stream-entry.ts';
import { compareIds, firstId, idBefore } from '../store/stream-ids.ts';
import { type StreamStore, isGone } from '../store/stream-store.ts';
import { parseNews } from '../read/topic-news.ts';

/** How many reads go behind a blocking one at most: each costs the server a little, whether it brings something or not. */
const maxFollowing = 4;
/** How long stopping waits for consumers to end. A server that does not answer finds out by their silence. Milliseconds. */
const farewellMs = 1000;

/** Wakes the members of all groups of this engine when there is something to read, and looks after their consumers. */
export class GroupWatcher {
  readonly #store: StreamStore;
  readonly #id: string;
  readonly #reader: BlockingReader;
  readonly #members = new Set<GroupMember>();
  readonly #byTopic = new Map<string, Set<GroupMember>>();
  readonly #heart: NodeJS.Timeout;
  /** The last topic that is known to be new; undefined while there was no pattern. */
  #newsAt: string | undefined;
  #consumers = 0;
  /** Of the blocking reader. */
  #round = 0;
  #turn = 0;
  #beating: Promise<void> | undefined;
  #isStopped = false;

  constructor(connection: Connection, store: StreamStore, id: string, busyPoll: BusyPoll) {
    this.#store = store;
    this.#id = id;
    const source = {
      streams: () => this.#streams(),
      onEntries: (stream: string, entries: readonly StreamEntry[]) => this.#onEntries(stream, entries),
      onSent: (reader: Connection) => this.#follow(reader),
      onBell: (topic: string, group: string) => this.#rung(topic, group),
      onRestored: () => this.#doubt(),
    };
    // Members read for themselves: one entry is enough to know that there is something.
    this.#reader = new BlockingReader(connection, store, source, { id, count: 1, busyPoll });
    store.connection.listen({ onRestored: () => this.#doubt() });
    const { claimIdleMs } = store.options;
    const beat = (): void => {
      this.#beating ??= this.#beat().finally(() => (this.#beating = undefined));
    };
    this.#heart = setInterval(beat, Math.max(10, claimIdleMs / 3)).unref();
  }

  /** Resolves when the group has its place in every topic. */
  async listen(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const { pattern, from } = request;
    const consumer = `${this.#id}.${++this.#consumers}`;
    const member = new GroupMember(request, receiver, consumer, this.#store, () => this.#reader.interrupt());
    this.#members.add(member);
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

  async #addPattern(member: GroupMember, from: StartPosition, since: number): Promise<void> {
    const { request, group, consumer } = member;
    const { news, topics } = await this.#store.snapshot(request.pattern, group, startOf(from), consumer);
    member.lease.renewed(since);
    // Earlier news is harmless here: the group has its place already, and creating it again changes nothing.
    this.#newsAt ??= news;
    for (const [topic] of topics) this.#add(member, topic);
    this.#reader.interrupt();
  }

  /** The server knows the patterns of groups, unless it has lost its data. */
  async #renew(member: GroupMember): Promise<void> {
    const { group, consumer, request, places } = member;
    const { pattern, from } = request;
    if (!isPattern(pattern)) return;
    if (!(await this.#store.register(pattern, group, startOf(from)))) return;
    const { topics } = await this.#store.snapshot(pattern, group, firstId, consumer);
    for (const [topic] of topics)
      if (!places.has(topic) && this.#members.has(member)) this.#add(member, topic);
  }

  #add(member: GroupMember, topic: string): void {
    member.add(topic);
    let members = this.#byTopic.get(topic);
    if (members === undefined) this.#byTopic.set(topic, (members = new Set()));
    members.add(member);
    void member.poll(topic);
  }

  #leave(member: GroupMember): void {
    this.#members.delete(member);
    for (const topic of member.places.keys()) {
      const members = this.#byTopic.get(topic);
      members?.delete(member);
      if (members?.size === 0) this.#byTopic.delete(topic);
    }
    member.stop();
    this.#leaving.add(member);
    void member.ended.then(() => this.#leaving.delete(member));
  }

  readonly #leaving = new Set<GroupMember>();

  /** The topics that the groups of this engine read, each with those groups. */
  get groups(): (readonly [topic: string, groups: ReadonlySet<string>])[] {
    return [...this.#byTopic].map(([topic, members]) => [
      topic,
      new Set([...members].map(({ group }) => group)),
    ]);
  }

  *progress(): Iterable<ReadProgress> {
    yield this.#reader.progress('the reader of the groups');
    for (const member of this.#members) yield* member.progress();
  }

  *#streams(): Iterable<readonly [string, string]> {
    const { keys } = this.#store;
    // A read that failed without the connection's being lost is made again once a round.
    for (const member of this.#members) member.resume();
    if (this.#newsAt !== undefined) yield [keys.news, this.#newsAt];
    for (const [topic, members] of this.#byTopic) {
      let end: string | undefined;
      for (const { places } of members) {
        const own = places.get(topic)?.end;
        if (own !== undefined && (end === undefined || compareIds(own, end) > 0)) end = own;
      }
      // Where no member has come to the end, none is waiting.
      if (end !== undefined) yield [keys.stream(topic), end];
    }
  }

  #onEntries(stream: string, entries: readonly StreamEntry[]): Promise<void> | undefined {
    if (stream === this.#store.keys.news) return this.#onAllNews(entries);
    const reading = this.#wake(this.#store.keys.topicOf(stream));
    return reading.length === 0 ? undefined : briefly(Promise.all(reading));
  }

  /** Lets the members of a topic read, beginning with another one each time. Returns the reads of those that do not anyhow. */
  #wake(topic: string): Promise<void>[] {
    const reading: Promise<void>[] = [];
    for (const member of turned([...(this.#byTopic.get(topic) ?? [])], this.#turn++)) {
      const read = member.wake(topic, this.#round);
      if (read !== undefined) reading.push(read);
    }
    return reading;
  }

  #rung(topic: string, group: string): void {
    for (const member of turned([...(this.#byTopic.get(topic) ?? [])], this.#turn++))
      if (member.group === group) member.rung(topic);
  }

  /** Lets those that wait read as soon as the blocking read is over, beginning with another one each time. */
  #follow(reader: Connection): Promise<void> | undefined {
    this.#round++;
    const waiting: (readonly [GroupMember, string])[] = [];
    for (const [topic, members] of this.#byTopic)
      for (const member of members)
        if (member.places.get(topic)?.end !== undefined) waiting.push([member, topic]);
    const following: Promise<void>[] = [];
    const count = Math.min(waiting.length, maxFollowing);
    for (const [member, topic] of turned(waiting, this.#turn++).slice(0, count)) {
      const read = member.follow(topic, this.#round, count, reader);
      if (read !== undefined) following.push(read);
    }
    return following.length < 2 ? following[0] : Promise.all(following).then(() => {});
  }

  async #onAllNews(entries: readonly StreamEntry[]): Promise<void> {
    for (const entry of entries) await this.#onNews(entry);
  }

  async #onNews(entry: StreamEntry): Promise<void> {
    const { topic, before } = parseNews(entry);
    const members = [...this.#members].filter(
      ({ request: { pattern } }) => isPattern(pattern) && matchesTopic(pattern, topic),
    );
    for (const member of members) {
      if (member.places.has(topic)) continue;
      const { from } = member.request;
      const start = from instanceof Date && compareIds(idBefore(from), before) > 0 ? idBefore(from) : before;
      try {
        await this.#store.createGroup(topic, member.group, start, member.consumer);
      } catch (error) {
        // A server that refuses one topic must not keep the member from later ones. The member goes on trying to read this one.
        if (!isAnswer(error)) throw error;
      }
      if (this.#members.has(member)) this.#add(member, topic);
      else await this.#store.leave(topic, member.group, member.consumer);
    }
    // Only now: where something failed, the news is read again.
    this.#newsAt = entry.id;
  }

  #doubt(): void {
    for (const member of this.#members) member.doubt();
  }

  /** One that fails keeps none of the others from living. */
  async #beat(): Promise<void> {
    await inBatches([...this.#members, ...this.#leaving], (member) => member.lease.beat());
    await inBatches([...this.#members], (member) => this.#quietly(() => this.#renew(member)));
    const groups = this.groups.flatMap(([topic, of]) => [...of].map((group) => [topic, group] as const));
    await inBatches(groups, ([topic, group]) => this.#quietly(() => this.#sweep(topic, group)));
  }

  async #sweep(topic: string, group: string): Promise<void> {
    if (this.#isStopped) return;
    const consumers = await this.#store.sweep(topic, group);
    if (consumers.length === 0) return;
    const message = 'consumers were silent; others take over what they had not settled';
    this.#store.logger.warn(message, { topic, group, consumers });
  }

  async #quietly(care: () => Promise<void>): Promise<void> {
    try {
      await care();
    } catch (error) {
      if (!isGone(error)) {
        this.#store.logger.debug?.('looking after consumers failed', { error: messageOf(error) });
      }
    }
  }

  /** Members must have been stopped; their consumers are given the time to end. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#heart);
    for (const member of [...this.#members]) this.#leave(member);
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, farewellMs)));
    const ending = Promise.all([...this.#leaving].map(({ ended }) => ended)).then(() => this.#beating);
    await Promise.race([ending, patience]);
    clearTimeout(timer);
    // Not before: what waits behind its blocking read would read for consumers that have ended.
    await this.#reader.stop();
  }
}

/** The same, beginning with another one. */
function turned<T>(all: readonly T[], turn: number): readonly T[] {
  if (all.length < 2) return all;
  const first = turn % all.length;
  return [...all.slice(first), ...all.slice(0, first)];
}

/** Where a new group begins. */
function startOf(from: StartPosition): string {
  if (from === 'latest') return '$';
  return from === 'earliest' ? firstId : idBefore(from);
}
