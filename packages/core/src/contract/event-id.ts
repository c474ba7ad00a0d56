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

/** Returns a new UUIDv7 (RFC 9562). Ids created later in this process sort later. */
export function newEventId(): string {
  return generator.generate().toString();
}
