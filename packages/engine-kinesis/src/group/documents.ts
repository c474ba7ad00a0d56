import type { CheckpointStore, StoredDocument } from '../stores/checkpoint-store.ts';
import { storeError, streamReplacedError } from '../errors.ts';
import { type GroupDocument, newDocument, parseDocument } from './document.ts';

/** A change made in vain so often is given up until the next time. */
const maxConflicts = 50;

/** Whose document it is, and how long its store may take. */
export interface DocumentsOptions {
  readonly name: string;
  /** When the stream was created, as an ISO time. */
  readonly stream: string;
  readonly timeoutMs: number;
  /** Told when the store has no document any more. */
  readonly onForgotten: () => void;
}

/** The document of one group: as it was last seen, and changed step by step with everybody else's changes. */
export class GroupDocuments {
  readonly #store: CheckpointStore;
  readonly #options: DocumentsOptions;
  /** What the store has, as far as we know; undefined where it has to be asked. */
  #known: StoredDocument | undefined;
  /** The last that we know of: what we go by where the store has lost it. */
  #last: string | undefined;

  constructor(store: CheckpointStore, options: DocumentsOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** The document as it is now. */
  async read(): Promise<GroupDocument> {
    // What is changed next is what was seen here, or younger: a decision that rests on it must not meet an older one.
    this.#known = await this.#ask(() => this.#store.read(this.#options.name));
    return this.#documentIn(this.#known);
  }

  #documentIn(stored: StoredDocument | undefined): GroupDocument {
    const { stream, onForgotten } = this.#options;
    const document = stored === undefined ? undefined : parseDocument(stored.text);
    if (document?.stream === stream) return document;
    // Somebody who started later has found another stream of the same name: ours is gone, and so are our positions.
    if (document !== undefined && document.stream > stream) throw streamReplacedError(this.#options.name);
    if (this.#last === undefined) return newDocument(stream);
    // Flushed, evicted, or behind us after a failover: what was seen last is nearer to the truth than nothing.
    onForgotten();
    return parseDocument(this.#last);
  }

  /**
   * Changes the document; `change` is called again where somebody else was first, so it must do nothing else.
   *
   * @returns the document as it was written.
   */
  async change(change: (document: GroupDocument) => void): Promise<GroupDocument> {
    const { name } = this.#options;
    for (let conflicts = 0; conflicts < maxConflicts; conflicts++) {
      const base = this.#known ?? (await this.#ask(() => this.#store.read(name)));
      const document = this.#documentIn(base);
      change(document);
      const next = { version: (base?.version ?? 0) + 1, text: JSON.stringify(document) };
      // It may be written or not where the store fails, and it is not where somebody else was first.
      this.#known = undefined;
      if (await this.#ask(() => this.#store.replace(name, next))) {
        this.#known = next;
        this.#last = next.text;
        return parseDocument(next.text);
      }
      if (conflicts > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 5 * conflicts));
    }
    throw new Error('others changed the document of the group again and again');
  }

  /** One call to the store, which is not to hold up all that come after it where it hangs. */
  async #ask<T>(call: () => Promise<T>): Promise<T> {
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
