import { storeError, streamReplacedError } from '../errors.ts';
import type { CheckpointStore, StoredDocument } from '../stores/checkpoint-store.ts';
import { type LeaseTable, newLeaseTable, parseLeaseTable } from './lease-table.ts';

/** After this many conflicts, a change fails until the next attempt. */
const maxConflicts = 50;

export interface LeaseStoreOptions {
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
}

/** Reads and changes the lease table of one group in a checkpoint store, along with the changes of the other members. */
export class LeaseStore {
  readonly #store: CheckpointStore;
  readonly #options: LeaseStoreOptions;
  /** The document in the store as far as we know; undefined if it must be read first. */
  #known: StoredDocument | undefined;
  /** The last document that we wrote, for the case that the store loses it. */
  #last: string | undefined;

  constructor(store: CheckpointStore, options: LeaseStoreOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** The table as it is now. */
  async read(): Promise<LeaseTable> {
    // The next change starts from this document or a newer one: a decision that depends on it must not meet an older one.
    this.#known = await this.#withTimeout(() => this.#store.read(this.#options.document));
    return this.#tableIn(this.#known);
  }

  #tableIn(stored: StoredDocument | undefined): LeaseTable {
    const { stream, group, onForgotten } = this.#options;
    const table = stored === undefined ? undefined : parseLeaseTable(stored.text);
    if (table?.stream === stream) return table;
    // An engine that started later has found a newer stream of this name: our stream is gone, and so are our checkpoints.
    if (table !== undefined && table.stream > stream) throw streamReplacedError(group);
    if (this.#last === undefined) return newLeaseTable(stream);
    // The store was flushed, has evicted the document, or has lost writes in a failover: the last known table is better than none.
    onForgotten();
    return parseLeaseTable(this.#last);
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
      const table = this.#tableIn(base);
      change(table);
      const next = { version: (base?.version ?? 0) + 1, text: JSON.stringify(table) };
      // If the store fails, the document may have been written; after a conflict, it was not.
      this.#known = undefined;
      if (await this.#withTimeout(() => this.#store.replace(document, next))) {
        this.#known = next;
        this.#last = next.text;
        return parseLeaseTable(next.text);
      }
      if (conflicts > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 5 * conflicts));
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
