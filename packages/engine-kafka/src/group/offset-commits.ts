import type { Logger } from '@polybus/core';
import type { ReadProgress } from '@polybus/core/engine';
import { backoffMs, pause } from '@polybus/core/engine-kit';
import { isFailure } from '../client/failure.ts';
import type { GroupSession } from '../client/kafka-client.ts';
import type { TopicCatalog } from '../client/topic-catalog.ts';
import { messageOf } from '../errors.ts';
import type { ConsumerOptions } from '../options/options.ts';
import type { AssignedPartition } from './assigned-partition.ts';
import { maxMetadataLength } from './metadata.ts';

/** The longest time without a commit for a partition whose offset does not change, in milliseconds. */
const renewMs = 3_600_000;
const initialBackoffMs = 50;
const maxBackoffMs = 1000;

export interface CommitContext {
  readonly groupId: string;
  readonly session: GroupSession;
  readonly catalog: TopicCatalog;
  readonly options: Pick<ConsumerOptions, 'commitCount' | 'commitIntervalMs'>;
  readonly logger: Logger;
}

/** Commits the offsets of a group: at intervals, after a number of settled events, and on request. */
export class OffsetCommits {
  readonly #context: CommitContext;
  readonly #partitions: () => Iterable<AssignedPartition>;
  #committing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #settled = 0;
  /** How often a commit succeeded. */
  #commits = 0;
  /** Why the last commit failed; undefined if it succeeded. */
  #failure: unknown;
  /** When all offsets were last committed, by `performance.now()`. */
  #renewedAt = performance.now();
  /** False during a rebalance, when the coordinator refuses commits: settled events wait for the next generation. */
  #isActive = false;
  /** Reduced when the cluster refuses longer metadata. */
  #maxMetadataLength = maxMetadataLength;

  constructor(context: CommitContext, partitions: () => Iterable<AssignedPartition>) {
    this.#context = context;
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
    const behind =
      this.#failure === undefined ? undefined : `the last commit failed: ${messageOf(this.#failure)}`;
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
      .then(() => this.#commit(isAll))
      .then(
        () => {
          this.#commits++;
          this.#failure = undefined;
        },
        (error: unknown) => {
          this.#failure = error;
          this.#context.logger.debug?.('offsets could not be committed; the next commit includes them', {
            group: this.#context.groupId,
            error: messageOf(error),
          });
        },
      )
      .finally(() => {
        if (this.#committing === committing) this.#committing = undefined;
      });
    return (this.#committing = committing);
  }

  /**
   * Commits all offsets before other members may get the partitions. Tries again for a while after a failure that may pass: the
   * coordinator may be moving to another broker, and the next owner of a partition repeats what is not committed.
   */
  async last(timeoutMs: number, closing: AbortSignal): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (let failures = 1; !closing.aborted; failures++) {
      await this.now(true);
      if (!isFailure(this.#failure, 'passing') || performance.now() >= deadline) return;
      await pause(backoffMs(failures, initialBackoffMs, maxBackoffMs), closing).catch(() => {});
    }
  }

  /** @param isAll - True to renew offsets that did not change, too. */
  async #commit(isAll: boolean): Promise<void> {
    const { session, catalog } = this.#context;
    // An offset of a deleted topic must not be committed for a new topic of the same name.
    const valid = [...this.#partitions()].filter(
      ({ isDropped, topic }) => !isDropped && catalog.partitionsOf(topic) > 0,
    );
    for (;;) {
      const offsets = valid.map((partition) => partition.toCommit(this.#maxMetadataLength));
      const moved = offsets.filter(
        ({ offset, metadata }, i) =>
          isAll || offset !== valid[i]!.committed.offset || metadata !== valid[i]!.committed.metadata,
      );
      if (moved.length === 0) return;
      try {
        await session.commit(moved);
      } catch (error) {
        if (!isFailure(error, 'too-large') || this.#maxMetadataLength === 0) throw error;
        this.#maxMetadataLength >>= 1;
        continue;
      }
      offsets.forEach((one, i) => (valid[i]!.committed = one));
      return;
    }
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
