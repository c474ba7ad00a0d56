import type { PendingPublish } from '@polybus/core/engine-kit';
import type { OutgoingRecord, TopicRecords } from '../client/kafka-client.ts';
import type { TopicLimits } from '../client/topic-limits.ts';

/** A record of an event, and its size in bytes. */
export interface SizedRecord {
  readonly record: OutgoingRecord;
  readonly bytes: number;
}

export type Outgoing = PendingPublish<SizedRecord>;

/**
 * The events that one request may carry. The events of a topic may all lead to one partition, so together they are not larger than
 * a batch of the topic may be.
 *
 * @param heldKeys - Ordering keys whose events stay behind.
 */
export function takeBatch(
  queue: readonly Outgoing[],
  heldKeys: ReadonlySet<string>,
  limits: TopicLimits,
): { taken: Outgoing[]; left: Outgoing[] } {
  const taken: Outgoing[] = [];
  const left: Outgoing[] = [];
  /** Bytes taken of each topic; -1 for a topic of which no more events are taken. */
  const sizes = new Map<string, number>();
  const maxBytes = limits.ofRequest;
  let total = 0;
  for (const outgoing of queue) {
    if (outgoing.isSettled) continue;
    const { topic, message } = outgoing;
    if (heldKeys.size > 0 && heldKeys.has(orderingKeyOf(outgoing))) {
      left.push(outgoing);
      continue;
    }
    const size = sizes.get(topic) ?? 0;
    const fits = size === 0 || size + message.bytes <= limits.of(topic);
    if (size < 0 || !fits || (total > 0 && total + message.bytes > maxBytes)) {
      sizes.set(topic, -1);
      left.push(outgoing);
      continue;
    }
    sizes.set(topic, size + message.bytes);
    total += message.bytes;
    taken.push(outgoing);
  }
  return { taken, left };
}

/** Events of a topic with the same key keep their order, and so do the events of a topic that have no key. */
export function orderingKeyOf({ topic, message }: Outgoing): string {
  return `${topic}\n${message.record.key ?? ''}`;
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
