import type { Logger } from '@polybus/core';
import { messageOf } from '../errors.ts';
import type { GroupOffsets } from './offsets.ts';
import type { GroupPlace } from './assigned-partition.ts';
import type { ConsumerOptions } from '../options/options.ts';

/** How long a place that does not move goes without a commit, in milliseconds. */
const renewMs = 3_600_000;

export interface CommitContext {
  readonly groupId: string;
  readonly options: Pick<ConsumerOptions, 'commitCount' | 'commitIntervalMs'>;
  readonly logger: Logger;
}

/** When a group commits its places: at intervals and after a count, while it reads, and when it is asked to. */
export class GroupCommits {
  readonly #context: CommitContext;
  readonly #offsets: GroupOffsets;
  readonly #places: ReadonlyMap<string, GroupPlace>;
  #committing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #settled = 0;
  /** When all places were committed last, by `performance.now()`. */
  #renewedAt = performance.now();
  /** While members join there are none: what was settled waits for the next generation, since one of the last is refused. */
  #isActive = false;

  constructor(context: CommitContext, offsets: GroupOffsets, places: ReadonlyMap<string, GroupPlace>) {
    this.#context = context;
    this.#offsets = offsets;
    this.#places = places;
  }

  start(): void {
    this.#isActive = true;
    this.#schedule();
  }

  pause(): void {
    this.#isActive = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  onSettled(): void {
    if (++this.#settled < this.#context.options.commitCount || !this.#isActive) return;
    this.#settled = 0;
    void this.now();
  }

  /**
   * One after the other: an older one must not come behind a newer one. Resolves whether or not it was accepted.
   *
   * The cluster forgets the place in a topic that the group does not read so long after its last commit: one that never moved
   * would be gone as soon as the group leaves the topic for a while.
   *
   * @param isLast - The group may be about to leave a topic: places that did not move are committed, too.
   */
  now(isLast = false): Promise<void> {
    const before = this.#committing ?? Promise.resolve();
    const isAll = isLast || performance.now() - this.#renewedAt > renewMs;
    if (isAll) this.#renewedAt = performance.now();
    const committing = before
      .then(() => this.#offsets.commit(this.#places.values(), isAll))
      .catch((error: unknown) => {
        this.#context.logger.debug?.('offsets could not be committed and are with the next commit', {
          group: this.#context.groupId,
          error: messageOf(error),
        });
      })
      .finally(() => {
        if (this.#committing === committing) this.#committing = undefined;
      });
    return (this.#committing = committing);
  }

  #schedule(): void {
    if (this.#timer !== undefined || !this.#isActive) return;
    this.#timer = setTimeout(() => {
      void this.now().then(() => {
        this.#timer = undefined;
        this.#schedule();
      });
    }, this.#context.options.commitIntervalMs);
  }
}
