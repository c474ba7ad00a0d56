import { type DecodeContext, decodeStructured } from '@polybus/core/cloudevents';
import { type Decoded, undecodable } from '@polybus/core/engine-kit';

/** Decodes a message of a channel or an entry of a stream. Does not throw. */
export function decode(topic: string, bytes: Buffer, context: DecodeContext = { topic }): Decoded {
  try {
    return { event: decodeStructured(bytes, context) };
  } catch (error) {
    return undecodable(error, { topic, bytes });
  }
}
