import type { Logger } from '@polybus/core';
import { isGroupMissing, messageOf } from '../errors.ts';
import type { ConsumerCommands, GivenBack } from './consumer-commands.ts';

/** The maximum number of ids in one command. */
const maxBatch = 500;

/**
 * Acknowledges, and gives back, the entries of one consumer in one topic. Entries that settle in the same turn go in one command.
 * The acknowledger keeps what the server has not confirmed and sends it again, because no other consumer would.
 */
export class Acknowledger {
  readonly #commands: ConsumerCommands;
  readonly #logger: Logger;
  /** Ids that the server has not confirmed, each with its key or ''. */
  readonly #settled = new Map<string, string>();
  #givenBack: GivenBack[] = [];
  /** Attempts that have begun and are not recorded in the group. */
  readonly #begun = new Map<string, number>();
  #flushing: Promise<void> | undefined;
  #isPlanned = false;

  constructor(commands: ConsumerCommands, logger: Logger) {
    this.#commands = commands;
    this.#logger = logger;
  }

  /** Whether the entry is settled and the server may not know. */
  hasSettled(id: string): boolean {
    return this.#settled.has(id);
  }

  /** Entries that are settled or given back, and still pending on the server as far as is known here. */
  get unconfirmed(): string[] {
    return [...this.#settled.keys(), ...this.#givenBack.map(({ id }) => id)];
  }

  /** Whether an entry is given back and the server may not know. */
  get isGivingBack(): boolean {
    return this.#givenBack.length > 0;
  }

  /** An attempt has begun. It is not recorded if the entry settles in the same turn. */
  begun(id: string, attempt: number): void {
    this.#begun.set(id, attempt);
    this.#plan();
  }

  settled(id: string, key: string): void {
    this.#begun.delete(id);
    this.#settled.set(id, key);
    this.#plan();
  }

  giveBack(entry: GivenBack): void {
    this.#begun.delete(entry.id);
    this.#givenBack.push(entry);
    this.#plan();
  }

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    setImmediate(() => {
      // An attempt is recorded before anything else can end the process. Other commands first let events pass that have arrived by now.
      if (this.#begun.size > 0) this.#flushPlanned();
      else setImmediate(this.#flushPlanned);
    });
  }

  readonly #flushPlanned = (): void => {
    this.#isPlanned = false;
    void this.flush().catch(() => {});
  };

  /**
   * Resolves when the server has confirmed everything.
   *
   * @throws the client's error; what the server has not confirmed is kept.
   */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing.catch(() => {});
    if (this.#settled.size === 0 && this.#givenBack.length === 0 && this.#begun.size === 0) return;
    this.#flushing = this.#flush();
    try {
      await this.#flushing;
    } catch (error) {
      this.#logger.debug?.('acknowledging failed and is tried again', { error: messageOf(error) });
      throw error;
    } finally {
      this.#flushing = undefined;
    }
  }

  async #flush(): Promise<void> {
    await (this.#begun.size > 0
      ? Promise.all([this.#record(), this.#acknowledgeAll()])
      : this.#acknowledgeAll());
    if (this.#givenBack.length > 0) await this.#giveAllBack();
  }

  async #acknowledgeAll(): Promise<void> {
    while (this.#settled.size > 0) {
      const batch = first(this.#settled, maxBatch);
      try {
        await this.#acknowledge(batch);
      } catch (error) {
        if (!isGroupMissing(error)) throw error;
      }
      for (const [id] of batch) this.#settled.delete(id);
    }
  }

  async #giveAllBack(): Promise<void> {
    while (this.#givenBack.length > 0) {
      // In one command: others must not receive some entries of a key before the rest.
      const batch = [...this.#givenBack];
      try {
        await this.#commands.giveBack(batch);
      } catch (error) {
        // The pending entries of a group are deleted with the group.
        if (!isGroupMissing(error)) throw error;
      }
      this.#givenBack = this.#givenBack.slice(batch.length);
    }
  }

  async #record(): Promise<void> {
    const begun = first(this.#begun, maxBatch);
    try {
      await this.#commands.recordAttempts(begun);
    } catch (error) {
      if (!isGroupMissing(error)) throw error;
    }
    for (const [id, attempt] of begun) if (this.#begun.get(id) === attempt) this.#begun.delete(id);
  }

  #acknowledge(batch: readonly (readonly [id: string, key: string])[]): Promise<unknown> {
    const unkeyed = batch.filter(([, key]) => key === '').map(([id]) => id);
    if (unkeyed.length === batch.length) return this.#commands.acknowledge(unkeyed);
    const keyed = batch.filter(([, key]) => key !== '').flat();
    return Promise.all([
      unkeyed.length === 0 ? undefined : this.#commands.acknowledge(unkeyed),
      this.#commands.acknowledgeKeyed(keyed),
    ]);
  }
}

function first<K, V>(all: ReadonlyMap<K, V>, count: number): [K, V][] {
  if (all.size <= count) return [...all];
  const some: [K, V][] = [];
  for (const item of all) {
    if (some.length === count) break;
    some.push(item);
  }
  return some;
}
