import { type Event, UndecodableRecordError } from '@polybus/core';
import { type DecodeContext, decodeStructured } from '@polybus/core/cloudevents';
import type { RawRecord } from '@polybus/core/engine';

/** An event, or what could not be made one. */
export type Decoded =
  | { readonly event: Event; readonly raw?: undefined }
  | { readonly event?: undefined; readonly raw: RawRecord };

/** Decodes what a channel or a stream carried. It fails for no input. */
export function decode(topic: string, bytes: Buffer, context: DecodeContext = { topic }): Decoded {
  try {
    // Several times as fast as a strict decoder; where something was replaced, that one says what is wrong.
    const text = bytes.toString();
    return { event: decodeStructured(text.includes('\ufffd') ? bytes : text, context) };
  } catch (error) {
    const cause =
      error instanceof UndecodableRecordError ? error : new UndecodableRecordError(String(error), { topic });
    return { raw: { topic, bytes: new Uint8Array(bytes), error: cause } };
  }
}
