import type { ObservableBus } from '@polybus/core';
import { Histogram } from 'prom-client';
import type { Metrics } from './metrics.ts';

const labelNames = ['engine', 'topic', 'group', 'outcome'] as const;

/**
 * Times the attempts of handlers. The label `topic` is that of the subscription, so that there are no more series than the code
 * has subscriptions, whatever topics a pattern matches.
 *
 * @returns how to stop.
 */
export function addHandlerDurations(
  bus: ObservableBus,
  metrics: Metrics,
  buckets: readonly number[],
): () => void {
  const durations = new Histogram({
    ...metrics.define('handler_duration_seconds', 'How long attempts of handlers took.', labelNames),
    buckets: [...buckets],
  });
  return bus.observeAttempts(({ engine, pattern, group = '', outcome, durationMs }) => {
    durations.observe({ engine, topic: pattern, group, outcome }, durationMs / 1000);
  });
}
