import type { Assignment } from '../kafka-client.ts';

/** The length of the version, which comes first. */
const versionBytes = 2;

/**
 * Decodes the partitions of a member ("MemberAssignment" of Kafka's consumer protocol). kafkajs would lose a topic that is named
 * `__proto__`, because it decodes them into an object.
 */
export function decodeAssignment(bytes: Buffer): Assignment {
  const partitions = new Map<string, readonly number[]>();
  // A member without partitions may get no bytes.
  if (bytes.length <= versionBytes) return partitions;
  let at = versionBytes;
  const int32 = (): number => bytes.readInt32BE((at += 4) - 4);
  for (let topics = int32(); topics > 0; topics--) {
    const length = bytes.readInt16BE((at += 2) - 2);
    const topic = bytes.toString('utf8', at, (at += length));
    partitions.set(topic, Array.from({ length: int32() }, int32));
  }
  return partitions;
}
