/** Offsets from `from` up to and excluding `to`. */
export interface OffsetRange {
  readonly from: number;
  readonly to: number;
}

/** The contents of the metadata of a committed offset. */
export interface PartitionState {
  /** How many partitions the topic had when the group first read it. */
  readonly partitionsBefore: number;
  /** Offsets beyond the committed offset that are settled, in order. */
  readonly settled: readonly OffsetRange[];
  /** By offset: how many attempts had begun for an event that was given back. */
  readonly attempts: ReadonlyMap<number, number>;
}

/** The default limit of a broker, in characters (`offset.metadata.max.bytes`). */
export const maxMetadataLength = 4096;

const mark = 'polybus';
const format = '1';
const form = /^1:(\d+):([\w-]+)$/;

/**
 * Writes `polybus <partitions>` and, if there is more to store, ` 1:<offset>:<data>`. The offset is the committed offset: a
 * version of polybus that does not know the data copies it to other offsets, for which it is invalid. The data is a list of
 * varints in base64url: the count of numbers for settled ranges; for each range the distance from the previous range and the
 * length; for each event with attempts the distance from the previous event and the number of attempts.
 *
 * @param attempts - In order of the offsets.
 * @param maxLength - The last ranges, and then the last attempts, are left out if they do not fit.
 */
export function encodeMetadata(offset: number, state: PartitionState, maxLength: number): string {
  const plain = `${mark} ${state.partitionsBefore}`;
  const prefix = `${plain} ${format}:${offset}:`;
  // The count takes at most three bytes, because it is less than 2^21.
  const room = Math.floor(((maxLength - prefix.length) * 3) / 4) - 3;
  const ranges = new Varints(room);
  let at = offset;
  for (const { from, to } of state.settled) {
    if (!ranges.addAll(from - at, to - from)) break;
    at = to;
  }
  const attempts = new Varints(room - ranges.bytes.length);
  at = offset;
  for (const [of, count] of state.attempts) {
    if (!attempts.addAll(of - at, count)) break;
    at = of;
  }
  if (ranges.count + attempts.count === 0) return plain;
  const head = new Varints(3);
  head.addAll(ranges.count);
  return prefix + Buffer.from([...head.bytes, ...ranges.bytes, ...attempts.bytes]).toString('base64url');
}

/**
 * Reads the metadata of a committed offset. Ignores data that was written for another offset or is malformed.
 *
 * @returns undefined if another client wrote the metadata
 */
export function decodeMetadata(offset: number, metadata: string): PartitionState | undefined {
  const [name, count = '', data = ''] = metadata.split(' ');
  if (name !== mark || !/^\d+$/.test(count)) return undefined;
  const partitionsBefore = Number(count);
  const nothing = { partitionsBefore, settled: [], attempts: new Map<number, number>() };
  const [, at, text = ''] = form.exec(data) ?? [];
  if (at !== String(offset)) return nothing;
  const numbers = varintsOf(Buffer.from(text, 'base64url'));
  const ofRanges = numbers?.shift();
  if (numbers === undefined || ofRanges === undefined || ofRanges > numbers.length) return nothing;
  if (ofRanges % 2 !== 0 || numbers.length % 2 !== 0) return nothing;
  const settled: OffsetRange[] = [];
  const attempts = new Map<number, number>();
  let end = offset;
  for (let i = 0; i < ofRanges; i += 2) {
    const from = end + numbers[i]!;
    end = from + numbers[i + 1]!;
    settled.push({ from, to: end });
  }
  let of = offset;
  for (let i = ofRanges; i < numbers.length; i += 2) {
    of += numbers[i]!;
    attempts.set(of, numbers[i + 1]!);
  }
  return { partitionsBefore, settled, attempts };
}

/** Numbers of seven bits per byte, the lowest bits first. */
class Varints {
  readonly bytes: number[] = [];
  count = 0;
  readonly #room: number;

  /** @param room - The largest number of bytes. */
  constructor(room: number) {
    this.#room = room;
  }

  /** Adds all of the numbers or none. Returns whether there was room. */
  addAll(...numbers: readonly number[]): boolean {
    const before = this.bytes.length;
    for (let rest of numbers) {
      for (; rest >= 128; rest = Math.floor(rest / 128)) this.bytes.push((rest % 128) + 128);
      this.bytes.push(rest);
    }
    if (this.bytes.length <= this.#room) {
      this.count += numbers.length;
      return true;
    }
    this.bytes.length = before;
    return false;
  }
}

/** Undefined if the last number is incomplete, or if a number is too large to be exact. */
function varintsOf(bytes: Uint8Array): number[] | undefined {
  const numbers: number[] = [];
  let [number, factor] = [0, 1];
  for (const byte of bytes) {
    number += (byte % 128) * factor;
    factor *= 128;
    if (!Number.isSafeInteger(number)) return undefined;
    if (byte >= 128) continue;
    numbers.push(number);
    [number, factor] = [0, 1];
  }
  return factor === 1 ? numbers : undefined;
}
