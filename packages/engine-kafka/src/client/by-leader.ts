import type { PartitionsByTopic } from './kafka-client.ts';

/** Groups partitions by the broker that leads them. Leaves out partitions whose leader is not known. */
export function byLeader(
  partitions: PartitionsByTopic,
  leaderOf: (topic: string, partition: number) => number | undefined,
): ReadonlyMap<number, PartitionsByTopic> {
  const grouped = new Map<number, Map<string, number[]>>();
  for (const [topic, ids] of partitions) {
    for (const id of ids) {
      const leader = leaderOf(topic, id);
      if (leader === undefined || leader < 0) continue;
      const led = grouped.get(leader) ?? new Map<string, number[]>();
      grouped.set(leader, led);
      const ofTopic = led.get(topic);
      if (ofTopic === undefined) led.set(topic, [id]);
      else ofTopic.push(id);
    }
  }
  return grouped;
}
