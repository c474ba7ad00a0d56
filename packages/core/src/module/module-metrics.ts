import type { EventBus } from '../contract/bus.ts';
import type { DeliveryStats } from '../contract/observing.ts';
import { isPattern, matchesTopic } from '../contract/topics.ts';
import type { ModuleMetrics } from './module-host.ts';

/** Returns the counters, and the numbers of topics and subscriptions, with the names that the host application expects. */
export function moduleMetrics(
  name: string,
  stats: DeliveryStats,
  bus: Pick<EventBus, 'topics' | 'subscriberCount'>,
): ModuleMetrics {
  const { published, delivered, dropped, pending, failed, retried, deadLettered } = stats;
  const topics = bus.topics();
  return {
    name,
    values: {
      published_count: published,
      delivered_count: delivered,
      dropped_count: dropped,
      pending_count: pending,
      failed_count: failed,
      retried_count: retried,
      dead_lettered_count: deadLettered,
      topic_count: topics.length,
      subscriber_count: topics.reduce((sum, topic) => sum + subscribersOfJust(topic, topics, bus), 0),
    },
  };
}

/** Counts the subscriptions to exactly this topic, without those to patterns, which are counted under their patterns. */
function subscribersOfJust(
  topic: string,
  topics: readonly string[],
  bus: Pick<EventBus, 'subscriberCount'>,
): number {
  const count = bus.subscriberCount(topic);
  if (isPattern(topic)) return count;
  const patterns = topics.filter((other) => isPattern(other) && matchesTopic(other, topic));
  return patterns.reduce((rest, pattern) => rest - bus.subscriberCount(pattern), count);
}
