import type { Assignment } from '../kafka-client.ts';

/** The version before it, which is always the same. */
const versionBytes = 2;

/**
 * The partitions in what a member was assigned ("MemberAssignment" of Kafka's consumer protocol). kafkajs puts them into an
 * object by their topics, where one named `__proto__` is lost.
 */
export function decodeAssignment(bytes: Buffer): Assignment {
  const partitions = new Map<string, readonly number[]>();
  // A member that got nothing, or whose group has no leader, may get no bytes.
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
