import type { Logger } from '@polybus/core';
import type { ReadProgress } from '@polybus/core/engine';
import { messageOf } from '../errors.ts';
import type { ConsumerOptions } from '../options/options.ts';
import type { AssignedPartition } from './assigned-partition.ts';
import type { GroupOffsets } from './offsets.ts';

/** The longest time without a commit for a partition whose offset does not change, in milliseconds. */
const renewMs = 3_600_000;

export interface CommitContext {
  readonly groupId: string;
  readonly options: Pick<ConsumerOptions, 'commitCount' | 'commitIntervalMs'>;
  readonly logger: Logger;
}

/** When a group commits its offsets: at intervals, after a number of settled events, and on request. */
export class CommitSchedule {
  readonly #context: CommitContext;
  readonly #offsets: GroupOffsets;
  readonly #partitions: () => Iterable<AssignedPartition>;
  #committing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #settled = 0;
  /** How often a commit succeeded. */
  #commits = 0;
  /** Why the last commit failed; undefined if it succeeded. */
  #failure: string | undefined;
  /** When all offsets were last committed, by `performance.now()`. */
  #renewedAt = performance.now();
  /** False during a rebalance, when the coordinator refuses commits: settled events wait for the next generation. */
  #isActive = false;

  constructor(context: CommitContext, offsets: GroupOffsets, partitions: () => Iterable<AssignedPartition>) {
    this.#context = context;
    this.#offsets = offsets;
    this.#partitions = partitions;
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

  /** Without commits, all events that are settled would be repeated after a restart. */
  get progress(): ReadProgress {
    const behind = this.#failure === undefined ? undefined : `the last commit failed: ${this.#failure}`;
    return { source: `committing for the group "${this.#context.groupId}"`, position: this.#commits, behind };
  }

  onSettled(): void {
    if (++this.#settled < this.#context.options.commitCount || !this.#isActive) return;
    this.#settled = 0;
    void this.now();
  }

  /**
   * Commits, after the commit that is in progress: an older commit must not overwrite a newer one. Resolves also if the commit
   * fails.
   *
   * The cluster deletes the offsets of a topic that the group does not read some time after their last commit. Without a renewal,
   * an offset that never changed would expire as soon as the group leaves the topic for a while.
   *
   * @param isLast - True if the group may be about to leave a topic: offsets that did not change are committed, too.
   */
  now(isLast = false): Promise<void> {
    const before = this.#committing ?? Promise.resolve();
    const isAll = isLast || performance.now() - this.#renewedAt > renewMs;
    if (isAll) this.#renewedAt = performance.now();
    const committing = before
      .then(() => this.#offsets.commit(this.#partitions(), isAll))
      .then(
        () => {
          this.#commits++;
          this.#failure = undefined;
        },
        (error: unknown) => {
          this.#failure = messageOf(error);
          this.#context.logger.debug?.('offsets could not be committed; the next commit includes them', {
            group: this.#context.groupId,
            error: this.#failure,
          });
        },
      )
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
