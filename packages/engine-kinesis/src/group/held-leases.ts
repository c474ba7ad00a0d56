import { randomUUID } from 'node:crypto';
import type { ShardInfo } from '../client/shard.ts';
import type { StreamId } from '../client/stream.ts';
import type { ShardReaders } from '../read/shard-readers.ts';
import type { CheckpointStore } from '../stores/checkpoint-store.ts';
import type { GroupDispatcher } from './dispatcher.ts';
import { missedIn } from '../client/stream-identity.ts';
import { allLeases } from './first-leases.ts';
import { StoredLeaseTable } from './stored-lease-table.ts';
import {
  type LeaseEntry,
  type LeaseTable,
  claimLeases,
  endShard,
  endedShards,
  finishSplits,
  giveAway,
  isToBeSplit,
  maxAheadPerLease,
  removeDeadMembers,
} from './lease-table.ts';
import { Lease, type LeaseListener } from './lease.ts';
import { LiveMembers } from './live-members.ts';
import { recordByName } from './record-by-name.ts';
import { ServedPatterns } from './served-patterns.ts';

/** If a handler hangs, its shard is not given away for this many durations of a lease. */
const keptLeases = 10;

const keyOf = (pattern: string, shardId: string): string => `${pattern} ${shardId}`;

/** The leases of a group that this process holds: claims, renews and gives them up in the group's lease table. */
export class HeldLeases implements Iterable<Lease> {
  readonly #id: string = randomUUID();
  readonly #group: string;
  readonly #readers: ShardReaders;
  readonly #dispatcher: GroupDispatcher;
  readonly #listener: LeaseListener;
  readonly #store: StoredLeaseTable;
  readonly #live: LiveMembers;
  readonly #served: ServedPatterns;
  readonly #leases = new Map<string, Lease>();
  /** When the last successful renewal was sent, by `performance.now()`: the leases last from then on. */
  #renewedAt: number = performance.now();
  #working: Promise<void> = Promise.resolve();
  /** Grows as long as this process lives, so that members that took it for dead see that it is back. */
  #heartbeat = 0;

  constructor(
    group: string,
    stream: StreamId,
    readers: ShardReaders,
    store: CheckpointStore,
    dispatcher: GroupDispatcher,
    listener: LeaseListener,
  ) {
    const { leaseDurationMs } = readers.options;
    this.#group = group;
    this.#readers = readers;
    this.#dispatcher = dispatcher;
    this.#listener = listener;
    this.#store = new StoredLeaseTable(store, {
      group,
      document: `${stream.arn}/${group}`,
      stream: stream.createdAt,
      // So that there is time for another attempt before the leases run out.
      timeoutMs: leaseDurationMs / 2,
      onForgotten: () => this.#warnForgotten(),
      onReplaced: () => readers.api.onDoubt(),
      firstLeases: () => allLeases('earliest', readers),
      onStartedOver: (replaced, patterns) => {
        for (const pattern of patterns) readers.missed(missedIn(pattern, replaced));
      },
    });
    this.#live = new LiveMembers(leaseDurationMs);
    this.#served = new ServedPatterns(group, this.#id, readers);
  }

  [Symbol.iterator](): Iterator<Lease> {
    return this.#leases.values();
  }

  /** No other process can have taken the leases. False also after this process was suspended, before its timers run. */
  get areValid(): boolean {
    return this.msSinceRenewal < this.#readers.options.leaseDurationMs;
  }

  get msSinceRenewal(): number {
    return performance.now() - this.#renewedAt;
  }

  /** Why this member leaves its shards to other members; undefined if it does not. */
  get away(): string | undefined {
    return this.#served.away;
  }

  /** One read or write at a time: the leases stay as the last write left them until the next. */
  #queue<T>(work: () => Promise<T>): Promise<T> {
    const working = this.#working.then(work);
    this.#working = working.then(
      () => {},
      () => {},
    );
    return working;
  }

  /** Ends every lease, and continues with another stream of the same name. */
  follow(stream: string): Promise<void> {
    return this.#queue(async () => {
      this.clear();
      this.#store.follow(stream);
    });
  }

  read(): Promise<LeaseTable> {
    return this.#queue(() => this.#store.read());
  }

  /** Changes the table, and renews the leases and writes their checkpoints along with it. */
  change(change: (table: LeaseTable) => void): Promise<void> {
    return this.#queue(async () => {
      const startedAt = performance.now();
      let isRestored = false;
      const table = await this.#store.change((latest) => {
        const me = (latest.members[this.#id] ??= { heartbeat: 0, patterns: [] });
        me.heartbeat = ++this.#heartbeat;
        me.patterns = this.#served.update(latest, this.#wanted);
        if (this.#served.isFailing && this.#leases.size === 0) this.#readers.checkAgain();
        const maxAhead = maxAheadPerLease(latest);
        for (const lease of this.#leases.values()) {
          isRestored = this.#restore(latest, lease) || isRestored;
          const entry = this.#entryOf(latest, lease);
          if (entry !== undefined) lease.write(entry, maxAhead);
        }
        change(latest);
      });
      if (isRestored) this.#warnForgotten();
      // Lost leases end before any handler may begin.
      this.#apply(table);
      this.#renewedAt = startedAt;
      this.#dispatcher.wake();
    });
  }

  /** The patterns of the subscriptions here. */
  get #wanted(): ReadonlySet<string> {
    return new Set([...this.#dispatcher.members].map(({ pattern }) => pattern));
  }

  /** Puts the entry of a lease back if the table has none for its shard: another member wrote it from an older document. */
  #restore(table: LeaseTable, lease: Lease): boolean {
    const leases = (table.leases[lease.pattern] ??= recordByName());
    if (leases[lease.shardId] !== undefined) return false;
    leases[lease.shardId] = lease.restored(this.#id);
    return true;
  }

  #warnForgotten(): void {
    this.#readers.logger.warn(
      'the checkpoint store has lost checkpoints of a group; the engine writes the last checkpoints that it knows, and events may be ' +
        'handled twice. Use a store that keeps its data',
      { group: this.#group },
    );
  }

  /** The entry of a lease; undefined if this process does not hold the lease any more. */
  #entryOf(table: LeaseTable, lease: Lease): LeaseEntry | undefined {
    const entry = table.leases[lease.pattern]?.[lease.shardId];
    return entry?.owner === this.#id && entry.token === lease.token ? entry : undefined;
  }

  /** Ends the leases that this process has lost, and starts the leases that it has got. */
  #apply(table: LeaseTable): void {
    for (const [key, lease] of this.#leases) {
      if (this.#entryOf(table, lease) !== undefined) continue;
      this.#leases.delete(key);
      this.#lose(lease);
    }
    for (const [pattern, leases] of Object.entries(table.leases)) {
      for (const [shardId, entry] of Object.entries(leases)) {
        if (entry.owner === this.#id) this.#hold(pattern, shardId, entry, table);
      }
    }
  }

  #hold(pattern: string, shardId: string, entry: LeaseEntry, table: LeaseTable): void {
    const key = keyOf(pattern, shardId);
    let lease = this.#leases.get(key);
    if (lease === undefined) {
      lease = new Lease([pattern, shardId], entry, this.#dispatcher, this.#listener);
      this.#leases.set(key, lease);
      lease.update(table);
      this.#readers.add(shardId, lease.cursor);
      return;
    }
    lease.update(table);
    const isWanted = entry.requestedBy !== undefined || isToBeSplit(table, pattern, shardId);
    if ((isWanted && !lease.isKept) || !this.#served.has(pattern)) lease.drain();
  }

  #lose(lease: Lease): void {
    this.#readers.remove(lease.shardId, lease.cursor);
    lease.lose();
  }

  /** Gives away drained leases, ends finished shards, and takes this process's share of the leases. For `change`. */
  readonly rebalance = (table: LeaseTable): void => {
    // Before the removal: if the table cannot be written, the dead members are in it again.
    this.#live.forgetOthers(table.members);
    removeDeadMembers(table, (id, member) => id !== this.#id && this.#live.isDead(id, member));
    finishSplits(table);
    for (const lease of this.#leases.values()) {
      const entry = this.#entryOf(table, lease);
      if (entry === undefined) continue;
      if (lease.isFinished) endShard(table, lease.pattern, lease.shardId, lease.successors!);
      else if (lease.isDrained) giveAway(table, entry);
      else if (this.#isHung(lease)) {
        lease.keep(keptLeases * this.#readers.options.leaseDurationMs);
        this.#dispatcher.wake();
      }
      if (lease.isKept) delete entry.requestedBy;
    }
    claimLeases(table, this.#id);
  };

  /** A handler has kept the lease from being given away for the duration of a lease. */
  #isHung({ drainingSince, pattern }: Lease): boolean {
    if (drainingSince === undefined || !this.#served.has(pattern)) return false;
    return performance.now() - drainingSince >= this.#readers.options.leaseDurationMs;
  }

  /** Finds the shards to read after a shard that has ended. */
  async findSuccessors(lease: Lease, next: readonly ShardInfo[]): Promise<void> {
    const endedBefore = endedShards(lease.siblings);
    // Listed after the children appeared, so that it contains every shard before them.
    const listed = await this.#readers.listed(() => !lease.isLost);
    if (listed !== undefined) lease.successors = { next, listed, endedBefore };
  }

  /**
   * Ends a shard whose records have expired: the group continues with the shards of the stream that it does not know.
   *
   * @param change - Changes the table.
   */
  async replaceGone(
    gone: Lease,
    change: (change: (table: LeaseTable) => void) => Promise<void>,
  ): Promise<void> {
    const endedBefore = endedShards((await this.read()).leases[gone.pattern]);
    const listed = await this.#readers.listed(() => !gone.isLost);
    // If the shard is listed, the error was temporary, and its reader retries.
    if (listed === undefined || listed.has(gone.shardId)) return;
    await change((table) => {
      if (this.#entryOf(table, gone) === undefined) return;
      endShard(table, gone.pattern, gone.shardId, { next: [...listed.values()], listed, endedBefore });
      claimLeases(table, this.#id);
    });
  }

  /** Gives up every lease with its last checkpoint, so that other members need not wait for the leases to run out. For `change`. */
  readonly giveUp = (table: LeaseTable): void => {
    for (const lease of this.#leases.values()) {
      const entry = this.#entryOf(table, lease);
      if (entry === undefined) continue;
      if (lease.isFinished) endShard(table, lease.pattern, lease.shardId, lease.successors!);
      else giveAway(table, entry);
    }
    delete table.members[this.#id];
  };

  /** Ends every lease in this process. */
  clear(): void {
    for (const lease of this.#leases.values()) this.#lose(lease);
    this.#leases.clear();
  }
}
