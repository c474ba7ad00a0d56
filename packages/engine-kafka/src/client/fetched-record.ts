import type { Event } from '@polybus/core';
import type { RawRecord } from '@polybus/core/engine';

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

/** An event, or a record that could not be decoded. */
export type Decoded =
  | { readonly event: Event; readonly raw?: undefined }
  | { readonly event?: undefined; readonly raw: RawRecord };
