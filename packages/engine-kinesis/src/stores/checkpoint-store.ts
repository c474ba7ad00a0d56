/** A document as a store keeps it. */
export interface StoredDocument {
  /** 1 for the first, and one more with each replacement. */
  readonly version: number;
  /** JSON; stores do not look into it. */
  readonly text: string;
}

/**
 * Where consumer groups keep their positions and leases: one document per group and stream. What makes leases safe is that
 * `replace` is atomic.
 */
export interface CheckpointStore {
  /**
   * True where the documents outlive the process and all processes of a group see the same. The engine is `durable` then.
   */
  readonly isShared: boolean;
  /** The document as it is now, not as it was a moment ago; undefined where there is none. Rejects where the store is out. */
  read(name: string): Promise<StoredDocument | undefined>;
  /**
   * Writes a document if the stored one has the version before it, or if there is none and its version is 1.
   *
   * @returns false where somebody else was first, and nothing was written. Rejects where the store is out; then it may have been written.
   */
  replace(name: string, document: StoredDocument): Promise<boolean>;
}
