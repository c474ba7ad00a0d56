import type { Assignment, MemberTopics } from '../client/kafka-client.ts';

/**
 * Distributes partitions among the members that want their topic, as evenly as possible. The same input gives the same result.
 * If all topics have the same number of partitions as before, few partitions move when a member joins or leaves.
 */
export function assignPartitions(
  members: readonly MemberTopics[],
  partitionsOf: (topic: string) => number,
): Map<string, Assignment> {
  const assignments = new Map(members.map(({ id }) => [id, new Map<string, number[]>()]));
  const counts = new Map(members.map(({ id }) => [id, 0]));
  const sorted = [...members].sort((a, b) => compare(a.id, b.id));
  const known = countsOf(members);
  const topics = new Set(sorted.flatMap((member) => member.topics));
  for (const topic of [...topics].sort(compare)) {
    const candidates = sorted.filter((member) => member.topics.includes(topic)).map(({ id }) => id);
    // Another member may know partitions that this member does not know yet.
    const count = Math.max(partitionsOf(topic), known.get(topic) ?? 0);
    for (let partition = 0; partition < count; partition++) {
      const id = candidates.reduce((least, other) =>
        counts.get(other)! < counts.get(least)! ? other : least,
      );
      const assignment = assignments.get(id)!;
      assignment.set(topic, [...(assignment.get(topic) ?? []), partition]);
      counts.set(id, counts.get(id)! + 1);
    }
  }
  return assignments;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The user data of a member: how many partitions it knows of for each of its topics. All members join again if it changes. */
export function userDataOf(partitions: Assignment): string {
  return [...partitions.values()].map((ids) => ids.length).join();
}

/** How many partitions each topic has, by the user data of the members. */
function countsOf(members: readonly MemberTopics[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { topics, userData } of members) {
    userData.split(',').forEach((count, i) => {
      const topic = topics[i];
      if (topic !== undefined) counts.set(topic, Math.max(counts.get(topic) ?? 0, Number(count) || 0));
    });
  }
  return counts;
}
