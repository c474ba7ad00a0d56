import { type ListenRequest, isPattern, matchesTopic } from '@polybus/core';
import type { PartitionsByTopic } from './client-port.ts';
import type { TopicCatalog } from './topic-catalog.ts';

/** The topics that the subscriptions of a group want, of those that there are. */
export class GroupTopics {
  readonly #catalog: TopicCatalog;
  readonly #members: () => Iterable<{ readonly request: ListenRequest }>;

  constructor(catalog: TopicCatalog, members: () => Iterable<{ readonly request: ListenRequest }>) {
    this.#catalog = catalog;
    this.#members = members;
  }

  *of({ pattern }: ListenRequest): Iterable<string> {
    const names = isPattern(pattern) ? this.#catalog.names() : [pattern];
    for (const topic of names) if (matchesTopic(pattern, topic) && this.#catalog.has(topic)) yield topic;
  }

  wanted(): PartitionsByTopic {
    const topics = new Set<string>();
    for (const { request } of this.#members()) for (const topic of this.of(request)) topics.add(topic);
    return this.#catalog.allPartitionsOf(topics);
  }

  /** Differs where a topic came or went, or has more partitions. */
  text(): string {
    return [...this.wanted()]
      .map(([topic, partitions]) => `${topic} ${partitions.length}`)
      .sort()
      .join();
  }
}
