import type { Acknowledgement, ListenRequest, ReadProgress, Receiver } from '@polybus/core/engine';
import { onceInMicrotask } from '@polybus/core/engine-kit';
import { isAnswer, messageOf } from '../errors.ts';
import { type StreamEntry, decodeEntry } from '../store/stream-entry.ts';
import type { StreamStore } from '../store/stream-store.ts';
import { previousAttempts } from './attempt-count.ts';
import { MemberTopic } from './member-topic.ts';
import { MemberLease } from './member-lease.ts';
import type { TopicOwner } from './topic-owner.ts';

/**
 * A local subscription as a member of a consumer group. Each subscription is a consumer of its own, so the same rules hold between
 * subscriptions as between processes. It reads only as many entries as it has room for.
 */
export class LocalMember implements TopicOwner {
  readonly request: ListenRequest;
  readonly group: string;
  readonly consumer: string;
  readonly topics: Map<string, MemberTopic> = new Map();
  readonly lease: MemberLease<MemberTopic>;
  readonly interrupt: () => void;
  readonly #receiver: Receiver;
  readonly #store: StreamStore;
  readonly #refillAt: number;
  /** Room that reads on their way will fill. */
  #reserved = 0;
  /** Topics that wait for room, in the order in which they began to wait. */
  readonly #waiting = new Set<MemberTopic>();
  #unsettled = 0;
  #releases = 0;
  #isStopped = false;
  #isEnded = false;
  readonly #ended: Promise<void>;
  #end!: () => void;

  /** @param interrupt - Makes the blocking reader start again with another list of streams. */
  constructor(
    request: ListenRequest,
    receiver: Receiver,
    consumer: string,
    store: StreamStore,
    interrupt: () => void,
  ) {
    this.request = request;
    this.group = request.group!;
    this.consumer = consumer;
    this.interrupt = interrupt;
    this.#receiver = receiver;
    this.#store = store;
    this.#refillAt = Math.max(1, Math.ceil(receiver.capacity / 2));
    this.#ended = new Promise((resolve) => (this.#end = resolve));
    this.lease = new MemberLease({
      topics: this.topics,
      durationMs: store.options.claimIdleMs,
      onRefused: (topics) => this.#refused(topics),
      onRenewed: () => receiver.run(),
    });
    receiver.onRoom = () => this.#refill();
    receiver.mayBegin = this.lease.isHeld;
  }

  /**
   * Returns the member's part in a topic, which it makes if it is new.
   *
   * @param after - The id after which the group begins if it does not exist yet.
   */
  add(topic: string, after?: string): MemberTopic {
    let found = this.topics.get(topic);
    if (found === undefined)
      this.topics.set(topic, (found = new MemberTopic(topic, this, this.#store, after)));
    return found;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  get room(): number {
    return this.#receiver.capacity - this.#reserved;
  }

  shareOf(topic: MemberTopic): number {
    this.#waiting.delete(topic);
    const { room } = this;
    if (room > 0) return Math.ceil(room / (1 + this.#waiting.size));
    this.#waiting.add(topic);
    return 0;
  }

  get freeHandlers(): number {
    return Math.max(0, this.request.concurrency - this.#unsettled);
  }

  get releases(): number {
    return this.#releases;
  }

  reserve(count: number): void {
    this.#reserved += count;
    // A read may return fewer entries than it asked for, and then nothing settles that would make the others continue.
    if (count < 0 && this.#waiting.size > 0) this.#planResume();
  }

  enqueue(topic: string, entry: StreamEntry, acknowledgement: Acknowledgement): void {
    this.#unsettled++;
    const { event, raw } = decodeEntry(topic, entry);
    if (event !== undefined) this.#receiver.enqueue(event, acknowledgement, previousAttempts(entry));
    else this.#receiver.undecodable(raw, acknowledgement);
  }

  run(): void {
    this.#receiver.run();
  }

  removed(isReleased: boolean): void {
    if (isReleased) this.#releases++;
    this.#unsettled--;
    if (this.#isStopped) this.#endWhenIdle();
    else this.#refill();
  }

  withdraw(): void {
    this.#releases++;
    this.#receiver.withdraw();
  }

  confirmed(topic: MemberTopic): void {
    this.lease.confirmed(topic);
  }

  #refill(): void {
    if (!this.#isStopped && this.room >= this.#refillAt) this.#planResume();
  }

  readonly #planResume = onceInMicrotask(() => this.resume());

  /** Continues with the topics in which something may be left to read. */
  resume(): void {
    // First, so that heartbeats, which read all topics again, do not keep the last topics waiting for ever.
    for (const topic of this.#waiting) {
      if (this.room <= 0) break;
      topic.resume();
    }
    for (const topic of this.topics.values()) topic.resume();
  }

  /** After a connection was lost, with answers on their way. */
  reconnected(): void {
    for (const topic of this.topics.values()) topic.reconnected();
  }

  *progress(): Iterable<ReadProgress> {
    const whose = `the subscription ${this.request.subscriptionId} of the group "${this.group}"`;
    for (const { topic, reads, behind } of this.topics.values())
      if (behind !== undefined)
        yield { source: `the stream of "${topic}" for ${whose}`, position: reads, behind };
  }

  /** Releases events that have not started, because the topics share a queue, and events of refused topics must not start. */
  #refused(refused: readonly MemberTopic[]): void {
    const topics = refused.map(({ topic }) => topic);
    const message = 'the server refuses a group member some topics; the member continues with its others';
    this.#store.logger.warn(message, { group: this.group, topics, error: refused[0]?.failure });
    if (refused.some(({ isHolding }) => isHolding)) this.withdraw();
  }

  /** Takes no more events. Delivered events may still settle; the consumer leaves its group after the last one. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#receiver.onRoom = undefined;
    // A read that waits behind a blocking one would read for a consumer that has left.
    for (const { isFollowing } of this.topics.values()) if (isFollowing) this.interrupt();
    this.#endWhenIdle();
  }

  /** Resolves when the consumer has left its group. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  #endWhenIdle(): void {
    if (this.#unsettled > 0 || this.#isEnded) return;
    this.#isEnded = true;
    this.lease.end();
    void this.#leave();
  }

  async #leave(): Promise<void> {
    const leave = (): Promise<unknown> =>
      Promise.all([...this.topics.values()].map((topic) => topic.leave()));
    try {
      await leave().catch((error: unknown) => {
        if (isAnswer(error)) throw error;
        // Commands that were on their way when the connection was lost are sent once more over the next connection.
        return leave();
      });
    } catch (error) {
      // Others will find that the consumer's lease has ended, and take over its entries.
      this.#store.logger.debug?.('a consumer could not leave its group', { error: messageOf(error) });
    } finally {
      this.#end();
    }
  }
}
