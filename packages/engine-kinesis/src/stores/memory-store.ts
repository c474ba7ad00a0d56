import type { CheckpointStore, StoredDocument } from './checkpoint-store.ts';

/**
 * Positions in memory: groups go on where they left off for as long as the process lives. Engines of one process share a group
 * where they are given the same store.
 */
export class MemoryCheckpointStore implements CheckpointStore {
  readonly isShared = false;
  readonly #documents = new Map<string, StoredDocument>();

  async read(name: string): Promise<StoredDocument | undefined> {
    return this.#documents.get(name);
  }

  async replace(name: string, document: StoredDocument): Promise<boolean> {
    if ((this.#documents.get(name)?.version ?? 0) !== document.version - 1) return false;
    this.#documents.set(name, document);
    return true;
  }
}
