import { randomFillSync } from 'node:crypto';
import { V7Generator } from 'uuidv7';

/** Random numbers are drawn 4 KiB at a time: one call into the system per event would cost more than all else of a publish. */
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

/** A new UUIDv7 (RFC 9562): ids made later in this process sort later. */
export function newEventId(): string {
  return generator.generate().toString();
}
