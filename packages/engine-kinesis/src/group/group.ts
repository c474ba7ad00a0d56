import { EventBusNotStartedError } from '@polybus/core';
import type { ListenRequest, Listener, Receiver } from '@polybus/core/engine';
import { InterruptibleSleep } from '../client/interruptible-sleep.ts';
import type { ShardInfo } from '../client/shard.ts';
import type { StreamId } from '../client/stream.ts';
import { messageOf } from '../errors.ts';
import type { ShardReaders } from '../read/shard-readers.ts';
import type { CheckpointStore } from '../stores/checkpoint-store.ts';
import { GroupDispatcher } from './dispatcher.ts';
import { firstLeases, splitLeases } from './first-leases.ts';
import { type LeaseTable, coveringPattern, finishSplits } from './lease-table.ts';
import type { Lease, LeaseListener } from './lease.ts';
import { HeldLeases } from './held-leases.ts';
import type { LocalMember } from './pattern-queue.ts';

/** A consumer group in this process: its subscriptions here, and the leases that they hold together. */
export class Group implements LeaseListener {
  readonly name: string;
  readonly #readers: ShardReaders;
  readonly #leases: HeldLeases;
  readonly #dispatcher: GroupDispatcher;
  readonly #sleep = new InterruptibleSleep();
  readonly #onEnd: (group: Group) => void;
  #running: Promise<void> | undefined;
  #isEnding = false;
  /** Number of subscriptions that are joining. */
  #joining = 0;
  #failures = 0;
  #lastError: unknown;

  /**
   * @param onEnd - Called when the last member has left, and has settled all of its events.
   */
  constructor(
    name: string,
    stream: StreamId,
    readers: ShardReaders,
    store: CheckpointStore,
    onEnd: (group: Group) => void,
  ) {
    this.name = name;
    this.#readers = readers;
    this.#dispatcher = new GroupDispatcher(
      () => this.#onDispatched(),
      () => this.#leases.areValid,
    );
    this.#leases = new HeldLeases(name, stream, readers, store, this.#dispatcher, this);
    this.#onEnd = onEnd;
  }

  get leases(): Iterable<Lease> {
    return this.#leases;
  }

  get mayRead(): boolean {
    return this.#leases.areValid;
  }

  /** Why the group handles nothing here; undefined if it does. */
  get trouble(): string | undefined {
    if (this.#leases.areValid) return undefined;
    const reason = this.#lastError === undefined ? '' : `: ${messageOf(this.#lastError)}`;
    const ms = Math.round(this.#leases.msSinceRenewal);
    return `the group "${this.name}" has not renewed its leases for ${ms} ms${reason}`;
  }

  /** Why other processes handle all events of the group; undefined if this process takes part. */
  get away(): string | undefined {
    const { away } = this.#leases;
    return away === undefined
      ? undefined
      : `the group "${this.name}" leaves its shards to other members, because reads fail (${away})`;
  }

  /** Resolves when the group has a position in every shard: it gets every event from there. */
  async join(request: ListenRequest, receiver: Receiver): Promise<Listener> {
    const member: LocalMember = { pattern: request.pattern, receiver, isLeaving: false };
    this.#joining++;
    try {
      await this.#createLeases(request);
      if (this.#isEnding)
        throw new EventBusNotStartedError('subscribe', 'stopping', { topic: request.pattern });
      this.#dispatcher.add(member);
      await this.#renew();
    } catch (error) {
      this.#dispatcher.leave(member);
      throw error;
    } finally {
      this.#joining--;
      this.#endWhenIdle();
    }
    this.#wakeReaders();
    if (!this.#isEnding) this.#running ??= this.#run();
    return { stop: async () => this.#leave(member) };
  }

  /** Adds the leases of a pattern to the table, unless it has them. */
  async #createLeases(request: ListenRequest): Promise<void> {
    const { pattern } = request;
    const table = await this.#leases.read();
    if (table.leases[pattern] !== undefined) return;
    const isCovered = coveringPattern(table, pattern) !== undefined;
    const first = isCovered ? undefined : await firstLeases(request, this.#readers);
    await this.#change((latest) => {
      // Another member may just have added a wider pattern.
      const wider = coveringPattern(latest, pattern);
      latest.leases[pattern] ??= wider === undefined ? (first ?? failChanged()) : splitLeases(latest, wider);
      finishSplits(latest);
    });
  }

  /**
   * Continues with another stream of the same name, from its first records.
   *
   * @param stream - When it was created, as an ISO time.
   */
  follow(stream: string): void {
    void this.#leases.follow(stream).then(() => this.changed());
  }

  #leave(member: LocalMember): void {
    this.#dispatcher.leave(member);
    this.#endWhenIdle();
    this.#sleep.wake();
  }

  async #change(change: (table: LeaseTable) => void): Promise<void> {
    // After the group has left, a write would bring its member back.
    if (this.#isEnding) throw new EventBusNotStartedError('change the group', 'stopping');
    await this.#leases.change(change);
  }

  async #run(): Promise<void> {
    while (!this.#isEnding) {
      await this.#sleep.sleep(this.#readers.options.checkpointIntervalMs);
      if (this.#isEnding) return;
      await this.#renew().catch((error: unknown) => this.#failed(error));
    }
  }

  /** Renews the leases, writes the checkpoints, and rebalances. */
  async #renew(): Promise<void> {
    await this.#change(this.#leases.rebalance);
    this.#failures = 0;
    this.#lastError = undefined;
    this.#wakeReaders();
  }

  #failed(error: unknown): void {
    this.#lastError = error;
    const fields = { group: this.name, error: messageOf(error) };
    if (this.#failures++ === 0) this.#readers.logger.warn('a group could not write its checkpoint', fields);
    else this.#readers.logger.debug?.('a group could not write its checkpoint', fields);
  }

  changed(): void {
    this.#sleep.wake();
  }

  shardEnded(lease: Lease, children: readonly ShardInfo[]): void {
    void this.#leases.findSuccessors(lease, children).then(() => {
      if (lease.isFinished) this.changed();
    });
  }

  async shardGone(lease: Lease): Promise<void> {
    try {
      await this.#leases.replaceGone(lease, (change) => this.#change(change));
    } catch (error) {
      if (!this.#isEnding) this.#failed(error);
    }
  }

  #wakeReaders(): void {
    for (const lease of this.#leases) this.#readers.wake(lease.shardId);
  }

  #onDispatched(): void {
    // Only the readers that found no room: this runs for every settled event.
    for (const lease of this.#leases) {
      if (!lease.isBlocked) continue;
      lease.isBlocked = false;
      this.#readers.wake(lease.shardId);
    }
    this.#endWhenIdle();
  }

  #endWhenIdle(): void {
    const { members, unsettled } = this.#dispatcher;
    if (members.size > 0 || unsettled > 0 || this.#joining > 0 || this.#isEnding) return;
    this.#isEnding = true;
    this.#sleep.wake();
    this.#onEnd(this);
  }

  /** Gives up every lease with its last checkpoint. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#sleep.wake();
    await this.#running;
    try {
      await this.#leases.change(this.#leases.giveUp);
    } catch (error) {
      // The leases run out, and other members take them.
      this.#failed(error);
    }
    this.#leases.clear();
  }
}

function failChanged(): never {
  throw new Error('the document of the group was changed while a subscription was made; subscribe again');
}
