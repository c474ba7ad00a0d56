import type { Assignment, MemberTopics } from '../client/kafka-client.ts';

/**
 * Shares partitions among the members that want their topic, as evenly as that goes. The same input gives the same shares,
 * and a member that joins or leaves moves few partitions where each topic has as many partitions as before.
 */
export function assignPartitions(
  members: readonly MemberTopics[],
  partitionsOf: (topic: string) => number,
): Map<string, Assignment> {
  const shares = new Map(members.map(({ id }) => [id, new Map<string, number[]>()]));
  const counts = new Map(members.map(({ id }) => [id, 0]));
  const sorted = [...members].sort((a, b) => compare(a.id, b.id));
  const topics = new Set(sorted.flatMap((member) => member.topics));
  for (const topic of [...topics].sort(compare)) {
    const wanting = sorted.filter((member) => member.topics.includes(topic)).map(({ id }) => id);
    for (let partition = 0; partition < partitionsOf(topic); partition++) {
      const id = wanting.reduce((least, one) => (counts.get(one)! < counts.get(least)! ? one : least));
      const share = shares.get(id)!;
      share.set(topic, [...(share.get(topic) ?? []), partition]);
      counts.set(id, counts.get(id)! + 1);
    }
  }
  return shares;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** How many partitions each topic has, by the members who want it. */
export function countsOf(members: readonly MemberTopics[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { topics, about } of members) {
    about.split(',').forEach((count, i) => {
      const topic = topics[i];
      if (topic !== undefined) counts.set(topic, Math.max(counts.get(topic) ?? 0, Number(count) || 0));
    });
  }
  return counts;
}
