import { inBatches } from '../client/in-batches.ts';
import { isGroupMissing, messageOf } from '../errors.ts';
import type { StreamStore } from '../store/stream-store.ts';
import { removeDeadConsumers } from './dead-consumers.ts';
import type { LocalMember } from './local-member.ts';

/** What the heartbeats need from the reader of the groups. */
export interface HeartbeatSource {
  readonly members: Iterable<LocalMember>;
  /** Members that were stopped, and still have unsettled events. */
  readonly leaving: Iterable<LocalMember>;
  /** The topics that they read, each with the groups. */
  readonly groups: readonly (readonly [topic: string, groups: ReadonlySet<string>])[];
  /** Restores the pattern of a member if the server has lost it. */
  registerPattern(member: LocalMember): Promise<void>;
}

/** Renews the leases of this engine's group members at intervals, restores their patterns, and removes dead consumers of their groups. */
export class Heartbeats {
  readonly #store: StreamStore;
  readonly #source: HeartbeatSource;
  readonly #timer: NodeJS.Timeout;
  #renewing: Promise<void> | undefined;
  #lookingAfter: Promise<void> | undefined;
  /** Until then, members of other processes may have ended leases although the processes live. By `performance.now()`. */
  #sweepsFrom = 0;
  #isStopped = false;

  constructor(store: StreamStore, source: HeartbeatSource) {
    this.#store = store;
    this.#source = source;
    this.#timer = setInterval(() => this.#beat(), Math.max(10, store.options.claimIdleMs / 3)).unref();
  }

  /** Call it when a lost connection is restored. */
  reconnected(): void {
    // The server may not have answered other processes either. Each of them can renew its leases within the time of a lease.
    this.#sweepsFrom = performance.now() + this.#store.options.claimIdleMs;
  }

  #beat(): void {
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined));
    // After the renewals, so that it does not remove members of this process. It does not delay the next renewals, however long it takes.
    this.#lookingAfter ??= this.#renewing
      .then(() => this.#lookAfter())
      .finally(() => (this.#lookingAfter = undefined));
  }

  async #renew(): Promise<void> {
    await inBatches([...this.#source.members, ...this.#source.leaving], (member) => member.lease.renew());
  }

  async #lookAfter(): Promise<void> {
    await inBatches([...this.#source.members], (member) =>
      this.#attempt(() => this.#source.registerPattern(member)),
    );
    const groups = this.#source.groups.flatMap(([topic, of]) =>
      [...of].map((group) => [topic, group] as const),
    );
    await inBatches(groups, ([topic, group]) => this.#attempt(() => this.#sweep(topic, group)));
  }

  async #sweep(topic: string, group: string): Promise<void> {
    // During an outage, the command would wait, and would be the first that the server gets afterwards.
    if (this.#isStopped || !this.#store.connection.takesCommands) return;
    if (performance.now() < this.#sweepsFrom) return;
    const consumers = await removeDeadConsumers(this.#store, topic, group);
    if (consumers.length === 0) return;
    const message = 'consumers were silent; others take over their unsettled events';
    this.#store.logger.warn(message, { topic, group, consumers });
  }

  /** A failure concerns one member or group, and must not keep the others from their turn. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isGroupMissing(error)) {
        this.#store.logger.debug?.('looking after consumers failed', { error: messageOf(error) });
      }
    }
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
  }

  /** Resolves when nothing is under way any more. */
  async ended(): Promise<void> {
    await this.#lookingAfter;
  }
}
