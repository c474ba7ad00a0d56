/** Where reading begins or continues: after a record, at an iterator, at a time, or (if all are undefined) at the first record. */
export interface Position {
  readonly sequenceNumber?: string | undefined;
  /** An unread iterator; `since` is its time for when it has expired. */
  readonly iterator?: string | undefined;
  /** Milliseconds by the server's clock. */
  readonly since?: number | undefined;
}

/** The position at the end of a shard. */
export interface EndOfShard {
  readonly iterator: string;
  /** When the server made the iterator, by its clock. */
  readonly serverTime: number;
  /** When the iterator was requested, by `performance.now()`. */
  readonly requestedAt: number;
}
