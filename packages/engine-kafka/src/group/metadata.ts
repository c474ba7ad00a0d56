/** Offsets from `from` up to `to`, without `to`. */
export interface OffsetRange {
  readonly from: number;
  readonly to: number;
}

/** What a group keeps with a committed offset, as its metadata. */
export interface PlaceState {
  /** How many partitions the topic had when the group first had it. */
  readonly partitionsBefore: number;
  /** What is settled beyond the committed offset, in order. */
  readonly settled: readonly OffsetRange[];
  /** By offset: how many attempts had begun at an event that was given back. */
  readonly attempts: ReadonlyMap<number, number>;
}

/** Characters that a broker takes by default (`offset.metadata.max.bytes`). */
export const maxMetadataLength = 4096;

const mark = 'polybus';
const format = '1';
const form = /^1:(\d+):([\w-]+)$/;

/**
 * Writes `polybus <partitions>`, and where there is more to keep `1:<offset>:<data>` behind it. The offset is the committed one:
 * a version of polybus that knows nothing of the data takes it along to other offsets, where it does not count. The data
 * are numbers as varints, in base64url: how many follow for what is settled, for each range its distance from the one before and
 * its length, then for each event with attempts its distance from the one before and their number.
 *
 * @param attempts - In order of the offsets.
 * @param maxLength - Ranges that do not fit, and attempts that then do not fit, are left out from the end.
 */
export function encodeMetadata(offset: number, state: PlaceState, maxLength: number): string {
  const plain = `${mark} ${state.partitionsBefore}`;
  const prefix = `${plain} ${format}:${offset}:`;
  // The first number, of how many follow, takes three bytes at most: there are fewer than 2^21.
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
 * Reads the metadata of a committed offset. Data that was written for another offset, or cannot be read, counts for nothing.
 *
 * @returns undefined where another client wrote it
 */
export function decodeMetadata(offset: number, metadata: string): PlaceState | undefined {
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

/** Numbers, each as seven bits a byte, the lowest first. */
class Varints {
  readonly bytes: number[] = [];
  count = 0;
  readonly #room: number;

  /** @param room - Bytes that there may be. */
  constructor(room: number) {
    this.#room = room;
  }

  /** Adds all or none of them; returns whether there was room. */
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

/** Undefined where the last one is cut, or one is too large to be exact. */
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
