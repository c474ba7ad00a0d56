import type { DeliveryStats, Router } from '@polybus/core';
import { Counter, Gauge } from 'prom-client';
import type { Metrics } from './metrics.ts';

/** What only ever grows: its name after the namespace, how it is got from the statistics, and what it is. */
const counts: readonly (readonly [name: string, valueOf: (stats: DeliveryStats) => number, help: string])[] =
  [
    ['delivered_total', (stats) => stats.delivered, 'Deliveries whose handling ended, successful or not.'],
    ['dropped_total', (stats) => stats.dropped, 'Deliveries that no handler will see.'],
    ['published_total', (stats) => stats.published, 'Events that the broker accepted from this process.'],
    // What is given back leaves `enqueued`, and a counter must not shrink: Prometheus would take it for a restart.
    [
      'enqueued_total',
      (stats) => stats.enqueued + stats.released,
      'Deliveries taken in for a subscription, those given back included.',
    ],
    ['failed_total', (stats) => stats.failed, 'Deliveries whose attempts were used up.'],
    ['retried_total', (stats) => stats.retried, 'Attempts after the first.'],
    ['dead_lettered_total', (stats) => stats.deadLettered, 'Deliveries written to a dead-letter topic.'],
    ['released_total', (stats) => stats.released, 'Deliveries given back to the broker unacknowledged.'],
  ];

/** The label `engine` of the sum over all engines. */
const all = '_all';

/** The statistics as counters, and `pending` as a gauge; all of them read when they are scraped. */
export function addCounts(router: Router, metrics: Metrics): void {
  for (const [name, valueOf, help] of counts) {
    const counter = new Counter({
      ...metrics.define(name, help, ['engine']),
      collect: () => {
        // A counter can only be added to: from nothing, what it is now.
        counter.reset();
        for (const [engine, stats] of statsOf(router)) counter.inc({ engine }, valueOf(stats));
      },
    });
  }
  const pending = new Gauge({
    ...metrics.define('pending', 'Deliveries waiting, running, or between two attempts.', ['engine']),
    collect: () => {
      pending.reset();
      for (const [engine, stats] of statsOf(router)) pending.set({ engine }, stats.pending);
    },
  });
}

function statsOf(router: Router): [engine: string, stats: DeliveryStats][] {
  return [...Object.entries(router.statsPerEngine()), [all, router.stats()]];
}
