/** CloudEvents 1.0: reads and writes events in the structured and the binary content mode. */
export type { DecodeContext, EncodeOptions } from './attributes.ts';
export { decodeStructured, encodeStructured, structuredContentType } from './structured.ts';
export {
  type BinaryMessage,
  type HeaderBinding,
  type HeaderValue,
  type Headers,
  type IncomingMessage,
  decodeBinary,
  encodeBinary,
  httpHeaders,
  kafkaHeaders,
} from './binary.ts';
export { type ContentMode, contentMode, decodeRecord, isStructured } from './decode-record.ts';
