import type { Keyless } from '../../options/config.ts';

/** Chooses the partition of a record among those with the given leaders. */
export type Partitioner = (topic: string, key: string | null, leaders: readonly number[]) => number;

/** Partitions by key as Kafka's Java client does: murmur2 of the key's bytes. */
export function partitionerFor(keyless: Keyless): Partitioner {
  let turn = Math.floor(Math.random() * maxInt);
  return (topic, key, leaders) => {
    // The topic serves as the key, so that the events of different topics go to different brokers.
    if (key !== null || keyless === 'ordered')
      return (murmur2(Buffer.from(key ?? topic)) & maxInt) % leaders.length;
    // The next partition that has a leader.
    for (let tried = 0; tried < leaders.length; tried++) {
      turn = (turn + 1) & maxInt;
      if (leaders[turn % leaders.length]! >= 0) break;
    }
    return turn % leaders.length;
  };
}

const maxInt = 0x7fffffff;
const seed = 0x9747b28c;
/** Constants of the hash function. */
const [factor, shift] = [0x5bd1e995, 24];

/** The hash of Kafka's Java client, as a signed integer. */
export function murmur2(bytes: Buffer): number {
  const { length } = bytes;
  let hash = seed ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let part = Math.imul(bytes.readInt32LE(at), factor);
    part = Math.imul(part ^ (part >>> shift), factor);
    hash = Math.imul(hash, factor) ^ part;
  }
  if (at < length) {
    for (let n = length - at - 1; n >= 0; n--) hash ^= bytes[at + n]! << (8 * n);
    hash = Math.imul(hash, factor);
  }
  hash = Math.imul(hash ^ (hash >>> 13), factor);
  return hash ^ (hash >>> 15);
}
