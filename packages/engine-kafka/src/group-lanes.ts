import type { Entry } from './group-place.ts';

interface Lane<M> {
  member: M;
  count: number;
  /** Records of the key that wait until the member, which leaves, is through with those that it has. */
  readonly waiting: Entry[];
}

/** Which member handles the events of a key now: others of that key go to no other, so that their order stays. */
export class Lanes<M> {
  readonly #lanes = new Map<string, Lane<M>>();

  ownerOf(key: string): M | undefined {
    return this.#lanes.get(key)?.member;
  }

  hold(key: string, member: M): void {
    const lane = this.#lanes.get(key);
    if (lane === undefined) this.#lanes.set(key, { member, count: 1, waiting: [] });
    else lane.count++;
  }

  /** Sets a record aside until the key is free. */
  wait(key: string, entry: Entry): void {
    this.#lanes.get(key)!.waiting.push(entry);
  }

  /** Returns the records that waited for the key, where it is free now. */
  free(key: string): readonly Entry[] {
    const lane = this.#lanes.get(key);
    if (lane === undefined || --lane.count > 0) return [];
    this.#lanes.delete(key);
    return lane.waiting;
  }
}
