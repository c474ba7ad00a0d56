/** A document in a checkpoint store. */
export interface StoredDocument {
  /** 1 for the first document. Each replacement adds 1. */
  readonly version: number;
  /** JSON. Stores do not interpret it. */
  readonly text: string;
}

/**
 * Stores the checkpoints and leases of consumer groups: one document per group and stream. `replace` must be atomic, because the safety of
 * leases depends on it.
 */
export interface CheckpointStore {
  /**
   * True if the documents outlive the process and all processes of a group see the same documents. Then the engine is `durable`.
   */
  readonly isShared: boolean;
  /** Reads the current document, and never an older version. Resolves with undefined if there is none. Rejects if the store fails. */
  read(name: string): Promise<StoredDocument | undefined>;
  /**
   * Writes a document if the stored document has the previous version, or if there is none and the version is 1.
   *
   * @returns false if another process was first; then nothing was written. Rejects if the store fails; then the document may have been
   * written.
   */
  replace(name: string, document: StoredDocument): Promise<boolean>;
}
