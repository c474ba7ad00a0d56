import { type ListenRequest, isPattern, matchesTopic } from '@polybus/core/engine';
import type { PartitionsByTopic } from '../client/kafka-client.ts';
import type { TopicCatalog } from '../client/topic-catalog.ts';

/** The topics that match the subscriptions of a group. */
export class GroupTopics {
  readonly #catalog: TopicCatalog;
  readonly #subscribers: () => Iterable<{ readonly request: ListenRequest }>;
  /** How many partitions a topic had when each of them had a leader. */
  readonly #counts = new Map<string, number>();
  /** Topics that this user may not read, with the error. They do not keep the group from reading the others. */
  readonly #refusals = new Map<string, unknown>();
  /** Topics that existed when a subscription that matches them began. */
  readonly #existing = new Set<string>();
  /** Topics that were created after the subscription that matches them. */
  readonly #created = new Set<string>();
  /** The `text` with which the member joined last. */
  #joinedWith = '';

  constructor(catalog: TopicCatalog, subscribers: () => Iterable<{ readonly request: ListenRequest }>) {
    this.#catalog = catalog;
    this.#subscribers = subscribers;
  }

  /** A subscription begins. It tries topics again that were refused. */
  begin(request: ListenRequest): void {
    for (const topic of this.#refusals.keys())
      if (matchesTopic(request.pattern, topic)) this.#refusals.delete(topic);
    for (const topic of this.of(request)) this.#existing.add(topic);
  }

  *of({ pattern }: ListenRequest): Iterable<string> {
    const names = isPattern(pattern) ? this.#catalog.names() : [pattern];
    for (const topic of names) {
      if (this.#refusals.has(topic)) continue;
      if (matchesTopic(pattern, topic) && this.#countOf(topic) > 0) yield topic;
    }
  }

  refuse(topic: string, reason: unknown): void {
    this.#refusals.set(topic, reason);
  }

  /** Why a subscription to a single topic may not read it; undefined for a pattern, which can match others. */
  refusalOf({ pattern }: ListenRequest): unknown {
    return this.#refusals.get(pattern);
  }

  get refused(): readonly string[] {
    return [...this.#refusals.keys()];
  }

  wanted(): PartitionsByTopic {
    for (const topic of this.#counts.keys()) {
      if (this.#catalog.partitionsOf(topic) === 0) this.#counts.delete(topic);
    }
    const wanted = new Map<string, readonly number[]>();
    for (const { request } of this.#subscribers()) {
      for (const topic of this.of(request)) {
        wanted.set(
          topic,
          Array.from({ length: this.#countOf(topic) }, (_, partition) => partition),
        );
      }
    }
    return wanted;
  }

  /**
   * A new topic counts once each partition has a leader: until then no broker knows its offsets. A topic that loses a leader
   * later still counts, so that the group keeps its other partitions.
   */
  #countOf(topic: string): number {
    if (this.#catalog.has(topic)) this.#counts.set(topic, this.#catalog.partitionsOf(topic));
    return this.#catalog.partitionsOf(topic) === 0 ? 0 : (this.#counts.get(topic) ?? 0);
  }

  /** Changes if a topic is created or deleted, or gets more partitions. */
  text(): string {
    return [...this.wanted()]
      .map(([topic, partitions]) => `${topic} ${partitions.length}`)
      .sort()
      .join();
  }

  /** The topics with which the member joins now. */
  join(): PartitionsByTopic {
    this.#joinedWith = this.text();
    return this.wanted();
  }

  get hasJoined(): boolean {
    return this.#joinedWith !== '';
  }

  /** True if the member has to join again to get the partitions that it wants. */
  get hasChanged(): boolean {
    return this.text() !== this.#joinedWith;
  }

  #joined(): ReadonlySet<string> {
    return new Set(this.#joinedWith.split(',').map((text) => text.split(' ')[0]!));
  }

  /** A topic that was deleted counts as created if it comes back, also if that is before the members have joined again. */
  noteDeleted(): void {
    const joined = this.#joined();
    for (const topic of [...this.#existing, ...joined]) {
      if (this.#catalog.partitionsOf(topic) > 0) continue;
      this.#existing.delete(topic);
      if (joined.has(topic)) this.#created.add(topic);
    }
  }

  noteCreated(): void {
    const joined = this.#joined();
    for (const topic of this.wanted().keys())
      if (!joined.has(topic) && !this.#existing.has(topic)) this.#created.add(topic);
  }

  /** True if the topic was created after the subscription: it is read from its first event. */
  isCreated(topic: string): boolean {
    return this.#created.has(topic);
  }
}
