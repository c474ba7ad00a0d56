import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import type { Compression } from '../../options/config.ts';
import { KafkaFailure } from '../failure.ts';
import type { Package } from './package.ts';

interface Codec {
  /** In the attributes of a batch. */
  readonly id: number;
  readonly compress: (bytes: Buffer) => Promise<Buffer>;
  readonly decompress: (bytes: Buffer) => Promise<Buffer>;
}

/** Compression of batches: gzip and zstd of Node.js, which work in other threads, and the others of the package. */
export class Codecs {
  readonly #byName: Readonly<Record<Exclude<Compression, 'none'>, Codec>>;

  constructor({ compressionsAlgorithms: { snappy, lz4 } }: Package) {
    const { zstdCompress, zstdDecompress } = zlib as Partial<Zstd>;
    this.#byName = {
      gzip: { id: 1, compress: promisify(zlib.gzip), decompress: promisify(zlib.gunzip) },
      snappy: {
        id: 2,
        compress: async (bytes) => snappy.compressSync(bytes),
        decompress: async (bytes) => fromSnappy(bytes, (block) => snappy.decompressSync(block)),
      },
      lz4: {
        id: 3,
        compress: async (bytes) => lz4.compressSync(bytes),
        decompress: async (bytes) => lz4.decompressSync(bytes),
      },
      zstd: {
        id: 4,
        compress: zstdCompress === undefined ? withoutZstd : promisify(zstdCompress),
        decompress: zstdDecompress === undefined ? withoutZstd : promisify(zstdDecompress),
      },
    };
  }

  of(name: Compression): Codec | undefined {
    return name === 'none' ? undefined : this.#byName[name];
  }

  async decompress(id: number, bytes: Buffer): Promise<Buffer> {
    const codec = Object.values(this.#byName).find((one) => one.id === id);
    if (codec === undefined) throw new RangeError(`unknown compression ${id}`);
    return codec.decompress(bytes);
  }
}

type Transform = (bytes: Buffer, done: (error: Error | null, result: Buffer) => void) => void;

/** Node.js has it since 22.15. */
interface Zstd {
  readonly zstdCompress: Transform;
  readonly zstdDecompress: Transform;
}

async function withoutZstd(): Promise<Buffer> {
  throw new KafkaFailure('lasting', 'zstd compression needs Node.js 22.15 or later', undefined);
}

/** Kafka's Java client writes blocks of snappy behind a header. */
const javaHeader = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
/** The header with its two versions. */
const headerBytes = 16;

function fromSnappy(bytes: Buffer, decompress: (block: Buffer) => Buffer): Buffer {
  if (!bytes.subarray(0, javaHeader.length).equals(javaHeader)) return decompress(bytes);
  const blocks: Buffer[] = [];
  for (let at = headerBytes; at < bytes.length;) {
    const end = at + 4 + bytes.readUInt32BE(at);
    blocks.push(decompress(bytes.subarray(at + 4, end)));
    at = end;
  }
  return Buffer.concat(blocks);
}
