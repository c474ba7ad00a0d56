import type { ConsumerLag, Logger } from '@polybus/core';
import type { ListenRequest, ReadProgress, Receiver } from '@polybus/core/engine';
import { assignPartitions, countsOf } from './assignment.ts';
import { isFailure } from '../client/failure.ts';
import type {
  Assignment,
  GroupSession,
  KafkaClient,
  MemberTopics,
  PartitionsByTopic,
} from '../client/kafka-client.ts';
import { messageOf } from '../errors.ts';
import { GroupCommits } from './commits.ts';
import { GroupDispatch } from './dispatch.ts';
import { GroupMember } from './membership.ts';
import { GroupOffsets } from './offsets.ts';
import { GroupPlace } from './assigned-partition.ts';
import { GroupTopics } from './topics.ts';
import type { ConsumerOptions } from '../options/options.ts';
import { pause } from '../pause.ts';
import type { Reader } from '../read/reader.ts';
import type { TopicCatalog } from '../client/topic-catalog.ts';

export interface GroupContext {
  readonly client: KafkaClient;
  readonly catalog: TopicCatalog;
  readonly reader: Reader;
  readonly options: ConsumerOptions;
  readonly logger: Logger;
  readonly closing: AbortSignal;
  readonly onLoss: (topic: string, reason: string) => void;
}

const pinPollMs = 25;
/** How long a subscription looks whether its places are pinned where each look fails. */
const pinMs = 30_000;

/** A consumer group's member in this process, shared by all subscriptions of the group. */
export class Group {
  readonly groupId: string;
  readonly #context: GroupContext;
  readonly #session: GroupSession;
  readonly #member: GroupMember;
  readonly #offsets: GroupOffsets;
  readonly #commits: GroupCommits;
  readonly #dispatch: GroupDispatch;
  readonly #topics: GroupTopics;
  readonly #places = new Map<string, GroupPlace>();
  /** Topics that were there when a subscription began that wants them. */
  readonly #old = new Set<string>();
  /** Topics that appeared after their subscription. */
  readonly #news = new Set<string>();
  /** What the member said that it wants, when it joined last. */
  #joinedWith = '';
  #isReading = false;
  /** How often partitions were assigned to it. */
  #assignments = 0;
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;
  readonly #onClosed: () => void;

  /**
   * @param isShared - Whether one subscription gets an event, or each one that wants its topic.
   * @param onClosed - Told when the group has ended.
   */
  constructor(groupId: string, isShared: boolean, context: GroupContext, onClosed: () => void) {
    this.#onClosed = onClosed;
    this.groupId = groupId;
    this.#context = context;
    this.#topics = new GroupTopics(context.catalog, () => this.#dispatch.members);
    this.#session = context.client.group(groupId);
    this.#offsets = new GroupOffsets(context.client, this.#session, context.catalog);
    this.#commits = new GroupCommits({ ...context, groupId }, this.#offsets, this.#places);
    this.#member = new GroupMember(groupId, this.#session, this.#work, context.options, context.logger);
    this.#dispatch = new GroupDispatch(isShared, {
      isPaused: () => !this.#isReading,
      mayBegin: () => this.#member.isSure,
      onSettled: () => this.#onSettled(),
      onReleased: () => this.#onIdle?.(),
      refill: () => this.#refill(),
    });
  }

  wants(topic: string): boolean {
    return this.#dispatch.memberFor(topic) !== undefined;
  }

  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** Resolves when the group has ended. */
  get closed(): Promise<void> {
    return this.#closing ?? Promise.resolve();
  }

  /** Resolves when the group has a place in each partition of what is wanted. */
  async listen(request: ListenRequest, receiver: Receiver): Promise<() => void> {
    const endWait = this.#dispatch.beginWait();
    const member = this.#dispatch.add(request, receiver);
    this.#topics.forgive(request);
    for (const topic of this.#topics.of(request)) this.#old.add(topic);
    const { catalog } = this.#context;
    if (this.#dispatch.size === 1) catalog.watch(this.#onTopics);
    try {
      if (this.#topics.text() !== this.#joinedWith || !this.#isReading) await this.#member.join();
      await this.#untilPinned(request);
    } catch (error) {
      this.#dispatch.leave(member);
      this.#afterLeaving();
      throw error;
    } finally {
      endWait();
    }
    return () => {
      this.#dispatch.leave(member);
      this.#afterLeaving();
    };
  }

  #afterLeaving(): void {
    // What is on its way is still to be settled, and its place to be committed.
    if (this.#dispatch.size === 0) this.#endWhenIdle();
    else this.#onTopics();
  }

  /** Another subscription came before the group had ended. */
  #endWhenIdle(): void {
    this.#onIdle = () => {
      if (this.#dispatch.size > 0) {
        this.#onIdle = undefined;
        return;
      }
      // Not in the middle of a queue that is being given back.
      if (this.#dispatch.outstanding === 0 && this.#onIdle !== undefined) {
        this.#onIdle = undefined;
        queueMicrotask(() => {
          if (this.#dispatch.size === 0 && this.#dispatch.outstanding === 0) void this.close();
          else if (this.#dispatch.size === 0) this.#endWhenIdle();
        });
      }
    };
    this.#onIdle();
  }

  /** Commits, leaves the group, and ends. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#context.catalog.unwatch(this.#onTopics);
    await this.#member.leave();
    this.#isReading = false;
    this.#commits.pause();
    for (const place of this.#places.values()) this.#drop(place);
    await this.#session.close();
    this.#onClosed();
  }

  /** Other members may have to pin some of them. */
  async #untilPinned(request: ListenRequest): Promise<void> {
    let deadline = performance.now() + pinMs;
    for (;;) {
      try {
        const refusal = this.#topics.refusalOf(request);
        if (refusal !== undefined) throw refusal;
        if (await this.#offsets.isPinned(this.#topics.of(request))) return;
        deadline = performance.now() + pinMs;
      } catch (error) {
        // The connection, or the broker that looks after the group, goes now and then.
        if (!isFailure(error, 'passing') || performance.now() >= deadline) throw error;
      }
      await pause(pinPollMs, this.#context.closing);
    }
  }

  readonly #onTopics = (): void => {
    const { catalog } = this.#context;
    const known = new Set(this.#joinedWith.split(',').map((one) => one.split(' ')[0]!));
    // One that is gone, and comes back, is another one: also if it is back before the members have joined again.
    for (const topic of [...this.#old, ...known]) {
      if (catalog.partitionsOf(topic) > 0) continue;
      this.#old.delete(topic);
      if (known.has(topic)) this.#news.add(topic);
    }
    for (const place of this.#places.values()) if (catalog.partitionsOf(place.topic) === 0) this.#drop(place);
    const text = this.#topics.text();
    if (text === this.#joinedWith || this.#dispatch.size === 0 || this.isClosing) return;
    if (this.#joinedWith !== '' || this.#isReading) {
      for (const topic of this.#topics.wanted().keys())
        if (!known.has(topic) && !this.#old.has(topic)) this.#news.add(topic);
    }
    this.#member.join().catch((error: unknown) => {
      if (this.isClosing) return;
      this.#context.logger.warn('a group cannot get the topics that are new', {
        group: this.groupId,
        error: messageOf(error),
      });
    });
  };

  readonly #work = {
    wanted: () => {
      this.#joinedWith = this.#topics.text();
      const wanted = this.#topics.wanted();
      const counts = [...wanted.values()].map((ids) => ids.length);
      return { topics: [...wanted.keys()], about: counts.join() };
    },
    assign: async (members: readonly MemberTopics[]) => {
      const { catalog } = this.#context;
      await catalog.refresh();
      // Another member may have seen partitions that were added since we looked.
      const known = countsOf(members);
      return assignPartitions(members, (topic) =>
        Math.max(catalog.partitionsOf(topic), known.get(topic) ?? 0),
      );
    },
    assigned: (assignment: Assignment) => this.#assigned(assignment),
    revoked: () => this.#revoked(),
    confirmed: () => {
      this.#dispatch.resume();
      this.#refill();
    },
    lost: () => {
      this.#pause();
      for (const place of this.#places.values()) this.#drop(place);
    },
  };

  async #assigned(assignment: Assignment): Promise<void> {
    const isMine = (topic: string, partition: number): boolean =>
      assignment.get(topic)?.includes(partition) === true;
    for (const place of this.#places.values()) if (!isMine(place.topic, place.partition)) this.#drop(place);
    const begun = new Map<string, number[]>();
    for (const [topic, partitions] of assignment) {
      const wanted = partitions.filter((partition) => !this.#places.has(`${topic}:${partition}`));
      if (wanted.length > 0) begun.set(topic, wanted);
    }
    await this.#learn(begun);
    const { pins, refusals } = await this.#offsets.pin(begun, (topic) => ({
      from: this.#dispatch.memberFor(topic)?.request.from ?? 'latest',
      isNews: this.#news.has(topic),
    }));
    this.#isReading = true;
    this.#assignments++;
    for (const { at, state } of pins) {
      const place = new GroupPlace(at, state, this.#owner);
      this.#places.set(`${at.topic}:${at.partition}`, place);
      this.#context.reader.add(place, this.groupId);
    }
    this.#context.reader.wake();
    this.#refill();
    this.#commits.start();
    if (refusals.size > 0) this.#doWithout(refusals);
  }

  /** Joins again without them: another member may be one of a user who may read them. */
  #doWithout(refusals: ReadonlyMap<string, Error>): void {
    for (const [topic, reason] of refusals) {
      this.#topics.refuse(topic, reason);
      const fields = { group: this.groupId, topic, error: reason.message };
      this.#context.logger.warn('a group does without a topic that may not be read', fields);
    }
    this.#onTopics();
  }

  /** What keeps it from having all that it should; undefined where nothing does. */
  get trouble(): { readonly message: string; readonly isLasting: boolean } | undefined {
    const { trouble } = this.#member;
    if (trouble !== undefined) {
      const isLasting = isFailure(trouble, 'refused', 'lasting', 'invalid-topic');
      return { message: `cannot join: ${messageOf(trouble)}`, isLasting };
    }
    const { refused } = this.#topics;
    if (refused.length === 0) return undefined;
    return { message: `may not read: ${refused.join(', ')}`, isLasting: true };
  }

  /** A rebalance keeps it from reading, for as long as handlers of any member run. */
  get progress(): ReadProgress {
    const waits =
      this.#isReading || this.#dispatch.size === 0 ? undefined : 'it waits for a rebalance to end';
    const behind = this.isClosing ? undefined : (this.trouble?.message ?? waits);
    return { source: `the group "${this.groupId}"`, position: this.#assignments, behind };
  }

  /** The member that has assigned them may know of partitions that were added since we looked. */
  async #learn(partitions: PartitionsByTopic): Promise<void> {
    const { catalog } = this.#context;
    const isNew = ([topic, ids]: readonly [string, readonly number[]]): boolean =>
      ids.some((id) => id >= catalog.partitionsOf(topic));
    if ([...partitions].some(isNew)) await catalog.refresh();
  }

  readonly #owner = ((group: Group) => ({
    get isReading(): boolean {
      return group.#isReading;
    },
    handOver: (place: GroupPlace, limit?: number) => group.#dispatch.handOver(place, limit),
    run: () => group.#dispatch.run(),
    onOpen: () => group.#context.reader.wake(),
    onLoss: (topic: string) =>
      group.#context.onLoss(topic, 'retention took events that the group had not read yet'),
  }))(this);

  #pause(): void {
    this.#isReading = false;
    this.#commits.pause();
    this.#dispatch.withdraw();
  }

  /** Lets the handlers that run end, so that what they handle is handled nowhere else, and commits. */
  async #revoked(): Promise<void> {
    this.#pause();
    const { rebalanceTimeoutMs } = this.#context.options;
    if (this.#dispatch.isBusy) void this.#commits.now();
    await this.#dispatch.untilIdle(rebalanceTimeoutMs * 0.8, this.#context.closing);
    if (this.#dispatch.isBusy && !this.#context.closing.aborted) {
      this.#context.logger.warn(
        'handlers run longer than a rebalance waits: their events may be handled twice',
        {
          group: this.groupId,
          handlers: this.#dispatch.outstanding,
        },
      );
    }
    await this.#commits.now(true);
  }

  #drop(place: GroupPlace): void {
    place.isDropped = true;
    this.#places.delete(`${place.topic}:${place.partition}`);
    this.#context.reader.remove(place);
  }

  #refill(): void {
    for (const place of this.#places.values()) place.refill();
    this.#dispatch.run();
  }

  #onSettled(): void {
    this.#commits.onSettled();
    this.#onIdle?.();
  }

  *lag(endOf: (topic: string, partition: number) => number | undefined): Iterable<ConsumerLag> {
    for (const place of this.#places.values()) {
      const { topic, partition, settledUpTo } = place;
      const end = endOf(topic, partition);
      if (end === undefined) continue;
      yield {
        topic,
        group: this.groupId,
        partition: String(partition),
        events: Math.max(0, end - settledUpTo),
      };
    }
  }

  partitions(): PartitionsByTopic {
    const partitions = new Map<string, number[]>();
    for (const { topic, partition } of this.#places.values()) {
      partitions.set(topic, [...(partitions.get(topic) ?? []), partition]);
    }
    return partitions;
  }
}
