declare module 'kafkajs-snappy' {
  import type { ICustomCodec } from 'kafkajs';

  const snappy: () => ICustomCodec;
  export default snappy;
}
