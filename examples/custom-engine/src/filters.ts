import type { Event } from '@polybus/core';

/** Decides which events an engine carries. */
export interface EventFilter {
  /** For logs and metrics. */
  readonly name: string;
  /** False for an event that nobody is to get. */
  shouldProcess(event: Event): boolean;
}

/** Lets through the topics that begin with one of some prefixes; all topics if there are no prefixes. */
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
