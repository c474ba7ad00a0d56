import type { ConsumerLag, Logger } from '@polybus/core';
import type { ListenRequest, ReadProgress, Receiver } from '@polybus/core/engine';
import { onceInMicrotask, pause } from '@polybus/core/engine-kit';
import { isFailure } from '../client/failure.ts';
import type {
  Assignment,
  GroupSession,
  KafkaClient,
  MemberTopics,
  PartitionsByTopic,
} from '../client/kafka-client.ts';
import type { TopicCatalog } from '../client/topic-catalog.ts';
import { messageOf } from '../errors.ts';
import type { ConsumerOptions } from '../options/options.ts';
import type { Reader } from '../read/reader.ts';
import { assignPartitions, userDataOf } from './assignment.ts';
import { OffsetCommits } from './offset-commits.ts';
import { GroupDispatcher } from './dispatcher.ts';
import type { Subscriber } from './entry.ts';
import { Membership, type MembershipHandler } from './membership.ts';
import { StartOffsets } from './start-offsets.ts';
import { GroupPartitions } from './partitions.ts';
import { StartLookups, type StartOwner } from './start-lookups.ts';
import { GroupTopics } from './topics.ts';

export interface GroupContext {
  readonly client: KafkaClient;
  readonly catalog: TopicCatalog;
  readonly reader: Reader;
  readonly options: ConsumerOptions;
  readonly logger: Logger;
  readonly closing: AbortSignal;
  readonly onLoss: (topic: string, reason: string) => void;
}

const startPollMs = 25;
/** How long a subscription tries to look up the group's offsets while each attempt fails. */
const startTimeoutMs = 30_000;
/** The part of the rebalance timeout for which handlers may go on; the rest is for the requests of the rebalance. */
const handlersShare = 0.8;
/** The part of the rebalance timeout for which the last commit is tried again. */
const commitShare = 0.1;

/** A consumer group: its member in this process, which all subscriptions of the group share. */
export class Group {
  readonly groupId: string;
  readonly #context: GroupContext;
  readonly #session: GroupSession;
  readonly #membership: Membership;
  readonly #startOffsets: StartOffsets;
  readonly #starts: StartLookups;
  readonly #commits: OffsetCommits;
  readonly #dispatch: GroupDispatcher;
  readonly #topics: GroupTopics;
  readonly #partitions: GroupPartitions;
  /** How often partitions were assigned to the member. */
  #assignments = 0;
  #closing: Promise<void> | undefined;
  readonly #onClosed: () => void;

  /**
   * @param isShared - True if one subscription gets each event; false if all subscriptions that match its topic get it.
   * @param onClosed - Called when the group has ended.
   */
  constructor(groupId: string, isShared: boolean, context: GroupContext, onClosed: () => void) {
    const { client, catalog, reader, options, logger } = context;
    this.#onClosed = onClosed;
    this.groupId = groupId;
    this.#context = context;
    this.#topics = new GroupTopics(catalog, () => this.#dispatch.subscribers);
    this.#session = client.group(groupId);
    this.#startOffsets = new StartOffsets(client, this.#session, catalog);
    this.#starts = new StartLookups(this.#startOffsets, this.#startOwner, context.closing);
    this.#commits = new OffsetCommits({ groupId, session: this.#session, catalog, options, logger }, () =>
      this.#partitions.all(),
    );
    this.#membership = new Membership(groupId, this.#session, this.#handler, options, logger);
    this.#dispatch = new GroupDispatcher(isShared, {
      isPaused: () => !this.#partitions.isReading,
      mayBegin: () => this.#membership.ownsPartitions,
      onSettled: () => this.#onSettled(),
      onReleased: () => this.#onEnded(),
      refill: () => this.#partitions.refill(),
    });
    this.#partitions = new GroupPartitions(groupId, reader, this.#dispatch, context.onLoss);
  }

  wants(topic: string): boolean {
    return this.#dispatch.subscriberFor(topic) !== undefined;
  }

  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** Resolves when the group has ended. */
  get closed(): Promise<void> {
    return this.#closing ?? Promise.resolve();
  }

  /** Resolves when the group has a committed offset in each partition that the subscription wants. */
  async listen(request: ListenRequest, receiver: Receiver): Promise<() => void> {
    const endWait = this.#dispatch.beginWait();
    const subscriber = this.#dispatch.add(request, receiver);
    this.#topics.begin(request);
    if (this.#dispatch.size === 1) this.#context.catalog.watch(this.#onTopics);
    try {
      if (this.#topics.hasChanged || !this.#partitions.isReading) await this.#membership.join();
      await this.#untilStarted(request);
    } catch (error) {
      this.#leave(subscriber);
      throw error;
    } finally {
      endWait();
    }
    return () => this.#leave(subscriber);
  }

  #leave(subscriber: Subscriber): void {
    this.#dispatch.leave(subscriber);
    // Without subscriptions, the group ends once the events that are being handled are settled and committed.
    if (this.#dispatch.size === 0) this.#closeIfIdle();
    else this.#onTopics();
  }

  /** In a microtask, because a subscription that leaves may be giving back one event after the other. */
  readonly #closeIfIdle = onceInMicrotask(() => {
    if (this.#dispatch.size === 0 && this.#dispatch.outstanding === 0) void this.close();
  });

  /** Commits, leaves the group, and ends. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#context.catalog.unwatch(this.#onTopics);
    await this.#membership.leave();
    this.#partitions.isReading = false;
    this.#commits.pause();
    this.#partitions.dropAll();
    await this.#session.close();
    this.#onClosed();
  }

  /** Polls, because other members may have to commit some of the start offsets. */
  async #untilStarted(request: ListenRequest): Promise<void> {
    let deadline = performance.now() + startTimeoutMs;
    for (;;) {
      try {
        const refusal = this.#topics.refusalOf(request);
        if (refusal !== undefined) throw refusal;
        const { failures } = this.#starts;
        for (const topic of this.#topics.of(request)) if (failures.has(topic)) throw failures.get(topic)!;
        if (await this.#startOffsets.isStarted(this.#topics.of(request))) return;
        deadline = performance.now() + startTimeoutMs;
      } catch (error) {
        // The connection or the coordinator may be away for a moment.
        if (!isFailure(error, 'passing', 'unknown-topic') || performance.now() >= deadline) throw error;
      }
      await pause(startPollMs, this.#context.closing);
    }
  }

  readonly #onTopics = (): void => {
    const { catalog, logger } = this.#context;
    this.#topics.noteDeleted();
    this.#partitions.dropWhere(({ topic }) => catalog.partitionsOf(topic) === 0);
    if (!this.#topics.hasChanged || this.#dispatch.size === 0 || this.isClosing) return;
    if (this.#topics.hasJoined || this.#partitions.isReading) this.#topics.noteCreated();
    this.#membership.join().catch((error: unknown) => {
      if (this.isClosing) return;
      const fields = { group: this.groupId, error: messageOf(error) };
      logger.warn('a group could not join again to get new topics', fields);
    });
  };

  readonly #handler: MembershipHandler = {
    memberMetadata: () => {
      const wanted = this.#topics.join();
      return { topics: [...wanted.keys()], userData: userDataOf(wanted) };
    },
    assign: async (members: readonly MemberTopics[]) => {
      const { catalog } = this.#context;
      await catalog.refresh();
      return assignPartitions(members, (topic) => catalog.partitionsOf(topic));
    },
    assigned: (assignment: Assignment) => this.#assigned(assignment),
    revoked: () => this.#revoked(),
    confirmed: () => {
      this.#dispatch.resume();
      this.#partitions.refill();
    },
    lost: () => {
      this.#pause();
      this.#partitions.dropAll();
    },
  };

  async #assigned(assignment: Assignment): Promise<void> {
    this.#partitions.dropWhere(({ topic, partition }) => assignment.get(topic)?.includes(partition) !== true);
    const missing = this.#partitions.missing(assignment);
    await this.#learn(missing);
    await this.#starts.begin(missing);
    this.#assignments++;
    this.#commits.start();
  }

  readonly #startOwner: StartOwner = {
    beginningOf: (topic) => ({
      from: this.#dispatch.subscriberFor(topic)?.request.from ?? 'latest',
      isCreated: this.#topics.isCreated(topic),
    }),
    started: ({ starts, refusals }) => {
      this.#partitions.isReading = true;
      for (const start of starts) this.#partitions.add(start);
      this.#context.reader.wake();
      this.#partitions.refill();
      if (refusals.size > 0) this.#joinWithout(refusals);
    },
  };

  /** Joins again without topics that this user may not read, so that members of other users can get them. */
  #joinWithout(refusals: ReadonlyMap<string, Error>): void {
    for (const [topic, reason] of refusals) {
      this.#topics.refuse(topic, reason);
      const fields = { group: this.groupId, topic, error: reason.message };
      this.#context.logger.warn('a group may not read a topic and continues without it', fields);
    }
    this.#onTopics();
  }

  /** Why the group does not get all events that it should; undefined if it does. */
  get trouble(): { readonly message: string; readonly isLasting: boolean } | undefined {
    const { failure } = this.#membership;
    if (failure !== undefined) {
      const isLasting = isFailure(failure, 'refused', 'lasting', 'invalid-topic');
      return { message: `cannot join: ${messageOf(failure)}`, isLasting };
    }
    const { refused } = this.#topics;
    if (refused.length > 0) return { message: `may not read: ${refused.join(', ')}`, isLasting: true };
    for (const [topic, reason] of this.#starts.failures)
      return { message: `cannot begin to read "${topic}": ${reason.message}`, isLasting: false };
    return undefined;
  }

  /** The group stands still during a rebalance, which waits for the handlers of all members. */
  *progress(): Iterable<ReadProgress> {
    if (this.isClosing) return;
    const isWaiting = !this.#partitions.isReading && this.#dispatch.size > 0;
    const behind = this.trouble?.message ?? (isWaiting ? 'it waits for a rebalance to end' : undefined);
    yield { source: `the group "${this.groupId}"`, position: this.#assignments, behind };
    yield this.#commits.progress;
  }

  /** The member that assigned the partitions may know partitions that were added after the last refresh. */
  async #learn(partitions: PartitionsByTopic): Promise<void> {
    const { catalog } = this.#context;
    const isUnknown = ([topic, ids]: readonly [string, readonly number[]]): boolean =>
      ids.some((id) => id >= catalog.partitionsOf(topic));
    if ([...partitions].some(isUnknown)) await catalog.refresh();
  }

  #pause(): void {
    this.#partitions.isReading = false;
    this.#starts.end();
    this.#commits.pause();
    this.#dispatch.withdraw();
  }

  /** Waits for running handlers, so that no other member handles their events, and commits. */
  async #revoked(): Promise<void> {
    this.#pause();
    const { options, logger, closing } = this.#context;
    if (this.#dispatch.isBusy) void this.#commits.now();
    await this.#dispatch.untilIdle(options.rebalanceTimeoutMs * handlersShare, closing);
    if (this.#dispatch.isBusy && !closing.aborted) {
      const fields = { group: this.groupId, handlers: this.#dispatch.outstanding };
      logger.warn('handlers run longer than a rebalance waits: their events may be handled twice', fields);
    }
    await this.#commits.last(options.rebalanceTimeoutMs * commitShare, closing);
  }

  #onSettled(): void {
    this.#commits.onSettled();
    this.#onEnded();
  }

  #onEnded(): void {
    if (this.#dispatch.size === 0) this.#closeIfIdle();
  }

  /** @param endOf - The end of a partition's log; undefined if it is not known. */
  lag(endOf: (topic: string, partition: number) => number | undefined): Iterable<ConsumerLag> {
    return this.#partitions.lag(endOf);
  }

  partitions(): PartitionsByTopic {
    return this.#partitions.byTopic();
  }
}
