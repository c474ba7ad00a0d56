import { patternCovers } from '@polybus/core/engine';
import { messageOf } from '../errors.ts';
import type { ShardReaders } from '../read/shard-readers.ts';
import type { LeaseTable } from './lease-table.ts';

/** A member whose reads fail for this many durations of a lease leaves its shards to other members. */
const failingLeases = 3;

/** The patterns of a group whose shards this member reads. While its reads fail, it leaves patterns to other members that serve them. */
export class ServedPatterns {
  readonly #group: string;
  /** The id of this member. */
  readonly #id: string;
  readonly #readers: ShardReaders;
  #patterns: readonly string[] = [];
  #away: string | undefined;

  constructor(group: string, id: string, readers: ShardReaders) {
    this.#group = group;
    this.#id = id;
    this.#readers = readers;
  }

  /** This member reads the shards of the pattern, or of a wider pattern. */
  has(pattern: string): boolean {
    return this.#patterns.some((served) => patternCovers(served, pattern));
  }

  /** Why other members read all shards of some of its patterns; undefined if this member takes part. */
  get away(): string | undefined {
    return this.#away;
  }

  /** Reads have failed for so long that other members should read. */
  get isFailing(): boolean {
    return this.#readers.failingMs >= failingLeases * this.#readers.options.leaseDurationMs;
  }

  /**
   * Decides again which patterns this member serves, and returns them.
   *
   * @param wanted - The patterns of the subscriptions here.
   */
  update(table: LeaseTable, wanted: ReadonlySet<string>): string[] {
    const others = this.isFailing ? this.#patternsOfOthers(table) : [];
    const served = [...wanted].filter((pattern) => !others.some((other) => patternCovers(other, pattern)));
    const wasAway = this.#away !== undefined;
    this.#away = served.length < wanted.size ? messageOf(this.#readers.lastFailure) : undefined;
    if (!wasAway && this.#away !== undefined) this.#warn(this.#away);
    this.#patterns = served;
    return served;
  }

  #patternsOfOthers({ members }: LeaseTable): string[] {
    return Object.entries(members).flatMap(([id, { patterns }]) => (id === this.#id ? [] : patterns));
  }

  #warn(error: string): void {
    this.#readers.logger.warn(
      'reads from Kinesis fail in this process, so it leaves the shards of a group to other members until a read succeeds again',
      { group: this.#group, failingMs: Math.round(this.#readers.failingMs), error },
    );
  }
}
