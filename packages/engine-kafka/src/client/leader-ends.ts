import { withTimeout } from '../with-timeout.ts';
import { byLeader } from './by-leader.ts';
import type { KafkaClient, PartitionOffset, PartitionsByTopic } from './kafka-client.ts';

/** How long a leader may take for the ends of its partitions, in milliseconds: less than a scrape of Prometheus waits for the lag. */
const lateMs = 800;

/** The answer of one leader: the offset after the last event of each of its partitions. */
export interface LeaderEnds {
  /** The number of partitions that it was asked for. */
  readonly asked: number;
  readonly ends: readonly PartitionOffset[];
  /** Why it has not answered. */
  readonly failure: unknown;
}

/** Asks the leader of each partition for the offset after its last event. No answer waits for another leader. */
export function endsByLeader(
  client: KafkaClient,
  partitions: PartitionsByTopic,
  leaderOf: (topic: string, partition: number) => number | undefined,
): Promise<readonly LeaderEnds[]> {
  return Promise.all([...byLeader(partitions, leaderOf).values()].map((led) => endsAt(client, led)));
}

async function endsAt(client: KafkaClient, led: PartitionsByTopic): Promise<LeaderEnds> {
  let asked = 0;
  for (const ids of led.values()) asked += ids.length;
  try {
    return { asked, ends: await withTimeout(client.offsets(led, 'latest'), lateMs), failure: undefined };
  } catch (failure) {
    return { asked, ends: [], failure };
  }
}
