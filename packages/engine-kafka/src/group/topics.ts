import { type ListenRequest, isPattern, matchesTopic } from '@polybus/core/engine';
import type { PartitionsByTopic } from '../client/kafka-client.ts';
import type { TopicCatalog } from '../client/topic-catalog.ts';

/** The topics that the subscriptions of a group want, of those that there are. */
export class GroupTopics {
  readonly #catalog: TopicCatalog;
  readonly #members: () => Iterable<{ readonly request: ListenRequest }>;
  /** How many partitions a topic had when each of them had a leader. */
  readonly #counts = new Map<string, number>();
  /** Topics that may not be read here, and what says so: no reason to keep the others from the group. */
  readonly #refusals = new Map<string, unknown>();

  constructor(catalog: TopicCatalog, members: () => Iterable<{ readonly request: ListenRequest }>) {
    this.#catalog = catalog;
    this.#members = members;
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

  /** Lets a subscription that begins find out anew. */
  forgive({ pattern }: ListenRequest): void {
    for (const topic of this.#refusals.keys()) if (matchesTopic(pattern, topic)) this.#refusals.delete(topic);
  }

  /** Why the one topic of a subscription may not be read; undefined for that of a pattern, which has others. */
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
    for (const { request } of this.#members()) {
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
   * Of a topic that is new, nothing before each partition has a leader: none could say where to begin. One whose leader goes
   * later is none that the group gives up, which would take from it the others of the topic, too.
   */
  #countOf(topic: string): number {
    if (this.#catalog.has(topic)) this.#counts.set(topic, this.#catalog.partitionsOf(topic));
    return this.#catalog.partitionsOf(topic) === 0 ? 0 : (this.#counts.get(topic) ?? 0);
  }

  /** Differs where a topic came or went, or has more partitions. */
  text(): string {
    return [...this.wanted()]
      .map(([topic, partitions]) => `${topic} ${partitions.length}`)
      .sort()
      .join();
  }
}
