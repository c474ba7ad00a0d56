import type { Outgoing as OutgoingOf } from '@polybus/core/engine-kit';
import type { OutgoingRecord, TopicRecords } from '../client/kafka-client.ts';
import type { TopicLimits } from '../client/topic-limits.ts';

/** A record on its way to the cluster, and its size in bytes. */
export interface SizedRecord {
  readonly record: OutgoingRecord;
  readonly bytes: number;
}

export type Outgoing = OutgoingOf<SizedRecord>;

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
    if (one.isSettled) continue;
    const { bytes } = one.message;
    if (held.size > 0 && held.has(laneOf(one))) {
      left.push(one);
      continue;
    }
    const size = sizes.get(one.topic) ?? 0;
    const fits = size === 0 || size + bytes <= limits.of(one.topic);
    // What does not fit holds up what comes behind it on its topic.
    if (size < 0 || !fits || (total > 0 && total + bytes > maxRequestBytes)) {
      sizes.set(one.topic, -1);
      left.push(one);
      continue;
    }
    sizes.set(one.topic, size + bytes);
    total += bytes;
    taken.push(one);
  }
  return { taken, left };
}

/** Events of a key keep their order, and so do those of a topic without one. */
export function laneOf({ topic, message }: Outgoing): string {
  return `${topic}\n${message.record.key ?? ''}`;
}

export function isUnsettled({ isSettled }: Outgoing): boolean {
  return !isSettled;
}

export function byTopic(batch: readonly Outgoing[]): TopicRecords[] {
  const topics = new Map<string, OutgoingRecord[]>();
  for (const { topic, message } of batch) {
    const { record } = message;
    const records = topics.get(topic);
    if (records === undefined) topics.set(topic, [record]);
    else records.push(record);
  }
  return [...topics].map(([topic, records]) => ({ topic, records }));
}
