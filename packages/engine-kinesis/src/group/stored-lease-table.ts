import { backoffMs } from '@polybus/core/engine-kit';
import { storeError, streamReplacedError } from '../errors.ts';
import { recordByName } from './record-by-name.ts';
import type { ReplacedStream } from '../client/stream-identity.ts';
import type { CheckpointStore, StoredDocument } from '../stores/checkpoint-store.ts';
import {
  type LeaseEntry,
  type LeaseTable,
  type LeasesByShard,
  newLeaseTable,
  parseLeaseTable,
} from './lease-table.ts';

/** After this many conflicts, a change fails until the next attempt. */
const maxConflicts = 50;
const initialBackoffMs = 5;
const maxBackoffMs = 100;

export interface StoredLeaseTableOptions {
  /** The name of the group. */
  readonly group: string;
  /** The name of the document in the checkpoint store. */
  readonly document: string;
  /** When the stream was created, as an ISO time. */
  readonly stream: string;
  /** Timeout of a call to the checkpoint store, in milliseconds. */
  readonly timeoutMs: number;
  /** Called if the checkpoint store has lost the document. */
  readonly onForgotten: () => void;
  /** Called if the document belongs to a stream of the same name that was created later. */
  readonly onReplaced: () => void;
  /** The leases of every shard of the stream, from its first record. */
  readonly firstLeases: () => Promise<LeasesByShard>;
  /** Called after the group was moved to this stream from an earlier stream of the same name, in which it had these patterns. */
  readonly onStartedOver: (replaced: ReplacedStream, patterns: readonly string[]) => void;
}

interface CurrentTable {
  readonly table: LeaseTable;
  /** The table of an earlier stream of the same name, if that is what is stored. */
  readonly earlier?: LeaseTable;
}

/** Reads and changes the lease table of one group in a checkpoint store, along with the changes of the other members. */
export class StoredLeaseTable {
  readonly #store: CheckpointStore;
  readonly #options: StoredLeaseTableOptions;
  #stream: string;
  /** The document in the store as far as we know; undefined if it must be read first. */
  #known: StoredDocument | undefined;
  /** The last document that we wrote, for the case that the store loses it. */
  #last: string | undefined;
  /** The leases of every shard of the stream, if they were needed. */
  #first: LeasesByShard | undefined;

  constructor(store: CheckpointStore, options: StoredLeaseTableOptions) {
    this.#store = store;
    this.#options = options;
    this.#stream = options.stream;
  }

  /** Continues with another stream of the same name. */
  follow(stream: string): void {
    this.#stream = stream;
    // What we know belongs to the stream before.
    this.#known = this.#last = this.#first = undefined;
  }

  /** The table as it is now. */
  async read(): Promise<LeaseTable> {
    // The next change starts from this document or a newer one: a decision that depends on it must not meet an older one.
    this.#known = await this.#withTimeout(() => this.#store.read(this.#options.document));
    return (await this.#tableIn(this.#known)).table;
  }

  async #tableIn(stored: StoredDocument | undefined): Promise<CurrentTable> {
    const { group, onForgotten, onReplaced } = this.#options;
    const stream = this.#stream;
    const table = stored === undefined ? undefined : parseLeaseTable(stored.text);
    if (table?.stream === stream) return { table };
    if (table !== undefined && table.stream > stream) {
      // Another member has found a newer stream of this name: our stream is gone, and so are our checkpoints.
      onReplaced();
      throw streamReplacedError(group);
    }
    if (this.#last === undefined)
      return table === undefined ? { table: newLeaseTable(stream) } : this.#startOver(table);
    // The store was flushed, has evicted the document, or has lost writes in a failover: the last known table is better than none.
    onForgotten();
    return { table: parseLeaseTable(this.#last) };
  }

  /**
   * The group had positions in an earlier stream. Every record of this stream comes after them, so the group gets all, wherever its next
   * subscription would begin.
   */
  async #startOver(earlier: LeaseTable): Promise<CurrentTable> {
    // Asked for once: members that still belong to the earlier stream go on changing their document, and each conflict is another attempt.
    this.#first ??= await this.#options.firstLeases();
    const table = newLeaseTable(this.#stream);
    for (const pattern of Object.keys(earlier.leases)) {
      const entries = Object.entries(this.#first).map(([id, entry]): [string, LeaseEntry] => [
        id,
        { ...entry },
      ]);
      table.leases[pattern] = recordByName(entries);
    }
    return { table, earlier };
  }

  /**
   * Changes the table. `change` is called again if another member has written meanwhile, so it must have no other effects.
   *
   * @returns the table as it was written.
   */
  async change(change: (table: LeaseTable) => void): Promise<LeaseTable> {
    const { document } = this.#options;
    for (let conflicts = 0; conflicts < maxConflicts; conflicts++) {
      const base = this.#known ?? (await this.#withTimeout(() => this.#store.read(document)));
      const { table, earlier } = await this.#tableIn(base);
      change(table);
      const next = { version: (base?.version ?? 0) + 1, text: JSON.stringify(table) };
      // If the store fails, the document may have been written; after a conflict, it was not.
      this.#known = undefined;
      if (await this.#withTimeout(() => this.#store.replace(document, next))) {
        this.#known = next;
        this.#last = next.text;
        if (earlier !== undefined) {
          const replaced = { previous: earlier.stream, createdAt: table.stream };
          this.#options.onStartedOver(replaced, Object.keys(earlier.leases));
        }
        return parseLeaseTable(next.text);
      }
      if (conflicts > 0)
        await new Promise((resolve) =>
          setTimeout(resolve, backoffMs(conflicts, initialBackoffMs, maxBackoffMs)),
        );
    }
    throw new Error('other members changed the document of the group again and again');
  }

  /** A call to the checkpoint store. The timeout keeps a call that hangs from blocking all later calls. */
  async #withTimeout<T>(call: () => Promise<T>): Promise<T> {
    const { timeoutMs } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      return await Promise.race([call(), late]);
    } catch (error) {
      throw storeError(error);
    } finally {
      clearTimeout(timer);
    }
  }
}
