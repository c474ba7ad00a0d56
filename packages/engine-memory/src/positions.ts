import type { Event } from '@polybus/core';
import { type TopicMatcher, matchesTopic, patternCovers } from '@polybus/core/engine';

/** Events that a group will not get, because the history lost them while the group had no subscription. */
export interface Loss {
  /** The topic or pattern that the group was subscribed to. */
  readonly topic: string;
  /** When the first and the last of these events were published. */
  readonly since: Date;
  readonly until: Date;
}

interface Position {
  /** The sequence number of the first event that the group has not got. */
  readonly next: number;
  loss: Loss | undefined;
}

/** A group, as found by the topics and patterns that it has left. */
export interface LossListener {
  /** The history has lost an event. */
  lost(event: Event, sequence: number): void;
}

/**
 * A group's position in each topic to which it has no subscription at present. A pattern applies to every topic that it matches.
 */
export class GroupPositions {
  readonly #left = new Map<string, Position>();
  readonly #group: LossListener;
  readonly #away: TopicMatcher<LossListener>;

  /** @param away - Finds the group by the topics and patterns that it has left. */
  constructor(group: LossListener, away: TopicMatcher<LossListener>) {
    this.#group = group;
    this.#away = away;
  }

  get isEmpty(): boolean {
    return this.#left.size === 0;
  }

  /** The last subscription to the topic or pattern has ended; `next` is the sequence number of the next event. */
  leave(pattern: string, next: number): void {
    this.#left.set(pattern, { next, loss: undefined });
    this.#away.add(pattern, this.#group);
  }

  /**
   * A subscription takes over the positions in all topics that it matches.
   *
   * @returns the events that the subscription may have lost.
   */
  join(pattern: string): Loss[] {
    const losses: Loss[] = [];
    for (const [left, { loss }] of this.#left) {
      const isTaken = patternCovers(pattern, left);
      if (isTaken) {
        this.#left.delete(left);
        this.#away.remove(left, this.#group);
      }
      if (loss !== undefined && (isTaken || patternCovers(left, pattern))) losses.push(loss);
    }
    return losses;
  }

  /** The position in a topic; undefined if the topic is new to the group. */
  of(topic: string): number | undefined {
    return this.#find(topic)?.[1].next;
  }

  /** The history has lost an event. */
  lost({ topic, createdAt }: Event, sequence: number): void {
    const [left, position] = this.#find(topic) ?? [];
    if (left === undefined || position === undefined || sequence < position.next) return;
    position.loss = { topic: left, since: position.loss?.since ?? createdAt, until: createdAt };
  }

  /** The latest position that applies to the topic. */
  #find(topic: string): readonly [string, Position] | undefined {
    let found: readonly [string, Position] | undefined;
    for (const entry of this.#left) {
      if (matchesTopic(entry[0], topic) && !(found !== undefined && found[1].next >= entry[1].next))
        found = entry;
    }
    return found;
  }
}
