import type { DeliveryStats, RouterView } from '@polybus/core';
import { Counter, Gauge } from 'prom-client';
import type { Metrics } from './metrics.ts';

/** The counters: each with its name after the namespace, its value in the statistics, and its help text. */
const counts: readonly (readonly [name: string, valueOf: (stats: DeliveryStats) => number, help: string])[] =
  [
    ['delivered_total', (stats) => stats.delivered, 'Deliveries that are settled, successfully or not.'],
    [
      'dropped_total',
      (stats) => stats.dropped,
      'Deliveries that were given up before a handler had finished.',
    ],
    ['published_total', (stats) => stats.published, 'Events of this process that the engine accepted.'],
    // Released deliveries are subtracted from `enqueued`, but a counter must not decrease: Prometheus would detect a restart.
    [
      'enqueued_total',
      (stats) => stats.enqueued + stats.released,
      'Deliveries queued for a subscription, including those released later.',
    ],
    ['failed_total', (stats) => stats.failed, 'Deliveries that failed on every attempt.'],
    ['retried_total', (stats) => stats.retried, 'Attempts after the first.'],
    ['dead_lettered_total', (stats) => stats.deadLettered, 'Deliveries written to a dead-letter topic.'],
    [
      'released_total',
      (stats) => stats.released,
      'Deliveries released to the broker without acknowledgement.',
    ],
  ];

/** The value of the label `engine` for the sum over all engines. */
const all = '_all';

/** Registers the statistics as counters and `pending` as a gauge. All are read at each scrape. */
export function addCounts(router: RouterView, metrics: Metrics): void {
  for (const [name, valueOf, help] of counts) {
    const counter = new Counter({
      ...metrics.define(name, help, ['engine']),
      collect: () => {
        // A counter can only be incremented, so it is reset and incremented by its current value.
        counter.reset();
        for (const [engine, stats] of statsOf(router)) counter.inc({ engine }, valueOf(stats));
      },
    });
  }
  const pending = new Gauge({
    ...metrics.define('pending', 'Deliveries that are queued, running, or between two attempts.', ['engine']),
    collect: () => {
      pending.reset();
      for (const [engine, stats] of statsOf(router)) pending.set({ engine }, stats.pending);
    },
  });
}

function statsOf(router: RouterView): [engine: string, stats: DeliveryStats][] {
  return [...Object.entries(router.statsPerEngine()), [all, router.stats()]];
}
