import type { Entry } from './assigned-partition.ts';

/** The events of one key that a member handles now: others of that key go to no other, so that their order stays. */
export interface Lane<M> {
  readonly topic: string;
  readonly key: string;
  readonly member: M;
  count: number;
  /** Records of the key that wait until the member, which leaves, is through with those that it has. */
  waiting: Entry[] | undefined;
}

/** Which member handles the events of a key of a topic now. */
export class Lanes<M> {
  readonly #topics = new Map<string, Map<string, Lane<M>>>();

  find(topic: string, key: string): Lane<M> | undefined {
    return this.#topics.get(topic)?.get(key);
  }

  /** @param found - What `find` has found. */
  hold(topic: string, key: string, found: Lane<M> | undefined, member: M): Lane<M> {
    if (found !== undefined) {
      found.count++;
      return found;
    }
    const lane = { topic, key, member, count: 1, waiting: undefined };
    const lanes = this.#topics.get(topic);
    if (lanes === undefined) this.#topics.set(topic, new Map([[key, lane]]));
    else lanes.set(key, lane);
    return lane;
  }

  /** Returns the records that waited for the key, where it is free now. */
  free(lane: Lane<M>): readonly Entry[] {
    if (--lane.count > 0) return none;
    const lanes = this.#topics.get(lane.topic)!;
    lanes.delete(lane.key);
    if (lanes.size === 0) this.#topics.delete(lane.topic);
    return lane.waiting ?? none;
  }
}

const none: readonly Entry[] = [];
