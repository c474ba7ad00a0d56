import { randomFillSync } from 'node:crypto';
import { V7Generator } from 'uuidv7';

/** Random numbers are drawn 4 KiB at a time, because a system call per event would cost more than the rest of a publish. */
const pool = new Uint32Array(1024);
let drawn = pool.length;

const generator = new V7Generator({
  nextUint32: () => {
    if (drawn === pool.length) {
      randomFillSync(pool);
      drawn = 0;
    }
    return pool[drawn++]!;
  },
});

const hexBytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
/** The last generated id without its last byte, and the time that it was generated for. */
let stem = '';
let stemMs = Number.NaN;
/** The last byte of the next id with this stem; 256 if there is none. */
let nextByte = hexBytes.length;

/**
 * Returns a new UUIDv7 (RFC 9562). Ids created later in this process sort later.
 *
 * The ids of a millisecond count up the last, random byte of a generated id. The counter of the generator is in front of that byte, so
 * the next generated id sorts after them.
 *
 * @param now - The current time.
 */
export function newEventId(now: Date = new Date()): string {
  const nowMs = now.getTime();
  if (nowMs !== stemMs || nextByte === hexBytes.length) {
    const generated = generator.generateOrResetWithTs(nowMs);
    stem = generated.toString().slice(0, -2);
    stemMs = nowMs;
    nextByte = generated.bytes[15]!;
  }
  return stem + hexBytes[nextByte++]!;
}
