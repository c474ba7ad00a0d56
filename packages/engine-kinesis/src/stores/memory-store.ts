import type { CheckpointStore, StoredDocument } from './checkpoint-store.ts';

/**
 * Keeps checkpoints in memory, as long as the process lives. Engines of one process share a group if they have the same store.
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
