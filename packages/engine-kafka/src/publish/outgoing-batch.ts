import type { OutgoingRecord, TopicRecords } from '../client/client-port.ts';
import type { Outgoing } from './outgoing.ts';
import type { TopicLimits } from '../client/topic-limits.ts';

/** Bytes of one request, of all topics together; brokers take ten times as much (`socket.request.max.bytes`). */
const maxRequestBytes = 8 * 1024 * 1024;

/** As much as one request may carry, each topic's share no more than the topic takes, wherever its keys lead. */
export function fitting(
  all: readonly Outgoing[],
  held: ReadonlySet<string>,
  limits: TopicLimits,
): { taken: Outgoing[]; left: Outgoing[] } {
  const taken: Outgoing[] = [];
  const left: Outgoing[] = [];
  const sizes = new Map<string, number>();
  let total = 0;
  for (const one of all) {
    if (one.isDone) continue;
    if (held.size > 0 && held.has(laneOf(one))) {
      left.push(one);
      continue;
    }
    const size = sizes.get(one.topic) ?? 0;
    const fits = size === 0 || size + one.bytes <= limits.of(one.topic);
    // What does not fit holds up what comes behind it on its topic.
    if (size < 0 || !fits || (total > 0 && total + one.bytes > maxRequestBytes)) {
      sizes.set(one.topic, -1);
      left.push(one);
      continue;
    }
    sizes.set(one.topic, size + one.bytes);
    total += one.bytes;
    taken.push(one);
  }
  return { taken, left };
}

/** Events of a key keep their order, and so do those of a topic without one. */
export function laneOf({ topic, record }: Outgoing): string {
  return `${topic}\n${record.key ?? ''}`;
}

export function isWanted({ isDone }: Outgoing): boolean {
  return !isDone;
}

export function byTopic(batch: readonly Outgoing[]): TopicRecords[] {
  const topics = new Map<string, OutgoingRecord[]>();
  for (const { topic, record } of batch) {
    const records = topics.get(topic);
    if (records === undefined) topics.set(topic, [record]);
    else records.push(record);
  }
  return [...topics].map(([topic, records]) => ({ topic, records }));
}
