import type { ObservableBus } from '@polybus/core';
import { Histogram } from 'prom-client';
import type { Metrics } from './metrics.ts';

const labelNames = ['engine', 'topic', 'group', 'outcome'] as const;

/**
 * Times the attempts of handlers. The label `topic` has the topic or pattern of the subscription, so that the number of series is
 * limited by the number of subscriptions, not of topics.
 *
 * @returns A function that stops it.
 */
export function addHandlerDurations(
  bus: ObservableBus,
  metrics: Metrics,
  buckets: readonly number[],
): () => void {
  const durations = new Histogram({
    ...metrics.define('handler_duration_seconds', 'The duration of handler attempts.', labelNames),
    buckets: [...buckets],
  });
  return bus.observeAttempts(({ engine, pattern, group = '', outcome, durationMs }) => {
    durations.observe({ engine, topic: pattern, group, outcome }, durationMs / 1000);
  });
}
