import type { FetchedPartition } from '../client/kafka-client.ts';

type End = Pick<FetchedPartition, 'highWatermark' | 'lastStable'>;

/** Where partitions ended, by the last answer about each. */
export class LogEnds {
  readonly #readUncommitted: boolean;
  readonly #ends = new Map<string, End>();

  constructor(readUncommitted: boolean) {
    this.#readUncommitted = readUncommitted;
  }

  note(key: string, { highWatermark, lastStable }: End): void {
    this.#ends.set(key, { highWatermark, lastStable });
  }

  forget(key: string): void {
    this.#ends.delete(key);
  }

  /** Why somebody who stands there is behind; undefined at the end. */
  whyBehind(key: string, position: number): string | undefined {
    const end = this.#ends.get(key);
    if (end === undefined) return 'it has not been read yet';
    const readable = this.#readUncommitted ? end.highWatermark : end.lastStable;
    if (position < readable) return `there are ${readable - position} offsets more`;
    // Who waits for the end of a transaction gets nothing of what follows it either.
    return position < end.highWatermark ? 'a transaction that is open keeps back what follows' : undefined;
  }
}
