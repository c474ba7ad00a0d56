import type { CheckpointStore } from './checkpoint-store.ts';
import { type GroupDocument, newDocument, parseDocument } from './group-document.ts';

/** A change made in vain so often is given up until the next time. */
const maxConflicts = 50;

/** The document of one group: as it was last seen, and changed step by step with everybody else's changes. */
export class GroupDocuments {
  readonly #store: CheckpointStore;
  readonly #name: string;
  readonly #stream: string;
  #version: number | undefined;
  #text = '';

  constructor(store: CheckpointStore, name: string, stream: string) {
    this.#store = store;
    this.#name = name;
    this.#stream = stream;
  }

  /** The document as it is now. */
  async read(): Promise<GroupDocument> {
    const stored = await this.#store.read(this.#name);
    this.#version = stored?.version ?? 0;
    this.#text = stored?.text ?? '';
    return this.#current();
  }

  #current(): GroupDocument {
    const document = this.#text === '' ? newDocument(this.#stream) : parseDocument(this.#text);
    // The stream was deleted and made again: none of the positions is there any more.
    return document.stream === this.#stream ? document : newDocument(this.#stream);
  }

  /**
   * Changes the document; `change` is called again where somebody else was first, so it must do nothing else.
   *
   * @returns the document as it was written.
   */
  async change(change: (document: GroupDocument) => void): Promise<GroupDocument> {
    for (let conflicts = 0; conflicts < maxConflicts; conflicts++) {
      const document = this.#version === undefined ? await this.read() : this.#current();
      change(document);
      const version = this.#version! + 1;
      const text = JSON.stringify(document);
      let isWritten: boolean;
      try {
        isWritten = await this.#store.replace(this.#name, { version, text });
      } catch (error) {
        // It may have been written or not.
        this.#version = undefined;
        throw error;
      }
      if (isWritten) {
        this.#version = version;
        this.#text = text;
        return parseDocument(text);
      }
      this.#version = undefined;
      if (conflicts > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 5 * conflicts));
    }
    throw new Error('others changed the document of the group again and again');
  }
}
