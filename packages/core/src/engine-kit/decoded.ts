import type { Event } from '../contract/event.ts';
import type { RawRecord } from '../contract/transport.ts';
import { UndecodableRecordError } from '../errors/errors.ts';

/** An event, or a record that could not be decoded. */
export type Decoded =
  | { readonly event: Event; readonly raw?: undefined }
  | { readonly event?: undefined; readonly raw: RawRecord };

/** Returns a record that could not be decoded, with the error of its decoder. The bytes are copied, because a client may reuse them. */
export function undecodable(error: unknown, { bytes, ...record }: Omit<RawRecord, 'error'>): Decoded {
  const cause =
    error instanceof UndecodableRecordError
      ? error
      : new UndecodableRecordError(String(error), { topic: record.topic });
  return { raw: { ...record, bytes: new Uint8Array(bytes), error: cause } };
}
