import type { Event } from '@polybus/core';

/** Decides which events an engine carries. */
export interface EventFilter {
  /** The name in logs and metrics. */
  readonly name: string;
  /** Returns false for an event that the engine must not deliver. */
  shouldProcess(event: Event): boolean;
}

/** Accepts the topics that begin with one of the prefixes, or all topics if there are no prefixes. */
export class TopicPrefixFilter implements EventFilter {
  readonly name = 'topicPrefix';
  readonly allowedPrefixes: readonly string[];

  constructor(allowedPrefixes: readonly string[]) {
    this.allowedPrefixes = allowedPrefixes;
  }

  shouldProcess({ topic }: Event): boolean {
    const prefixes = this.allowedPrefixes;
    return prefixes.length === 0 || prefixes.some((prefix) => topic.startsWith(prefix));
  }
}
