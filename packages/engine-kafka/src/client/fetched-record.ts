import type { Decoded } from '@polybus/core/engine-kit';

export interface FetchedRecord {
  readonly offset: number;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>;
  /** Set by the engine: cursors that have taken the record and not decoded it yet. */
  takers: number;
  /**
   * Set by the engine, which decodes a record once for all cursors. A field, because a `WeakMap` of thousands of records is
   * expensive for the garbage collector.
   */
  decoded: Decoded | undefined;
}
