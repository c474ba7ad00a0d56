import type { FetchedPartition } from '../client/kafka-client.ts';

type End = Pick<FetchedPartition, 'highWatermark' | 'lastStable'>;

/** The ends of partitions, by the last answer for each. */
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

  /** Why a cursor at this position is behind; undefined if it is at the end. */
  whyBehind(key: string, position: number): string | undefined {
    const end = this.#ends.get(key);
    if (end === undefined) return 'it has not been read yet';
    const readable = this.#readUncommitted ? end.highWatermark : end.lastStable;
    if (position < readable) return `there are ${readable - position} more offsets`;
    // Events behind an open transaction cannot be read before it ends.
    return position < end.highWatermark ? 'an open transaction holds back later events' : undefined;
  }
}
