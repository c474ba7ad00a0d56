import type { Event } from '@polybus/core';
import type { RawRecord } from '@polybus/core/engine';

export interface FetchedRecord {
  readonly offset: number;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>;
  /** The engine's: places that have taken it, and have not decoded it yet. */
  takers: number;
  /** The engine's, which decodes a record once for all that get it: a `WeakMap` of thousands would burden the garbage collector. */
  decoded: Decoded | undefined;
}

/** An event, or what could not be made one. */
export type Decoded =
  | { readonly event: Event; readonly raw?: undefined }
  | { readonly event?: undefined; readonly raw: RawRecord };
