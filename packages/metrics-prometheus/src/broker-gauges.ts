import type { ConsumerLag, Router } from '@polybus/core';
import { Gauge } from 'prom-client';
import { BrokerProbe } from './broker-probe.ts';
import type { Metrics } from './metrics.ts';

const statuses = ['up', 'degraded', 'down'] as const;
const consumer = ['engine', 'topic', 'group', 'partition'] as const;

/** The state of each engine's connection, and how far its consumers are behind where the broker knows it. */
export function addBrokerGauges(router: Router, metrics: Metrics, timeoutMs: number): void {
  const probe = new BrokerProbe(router, timeoutMs);
  const status = new Gauge({
    ...metrics.define('engine_status', 'The state of the connection: 1 for what it is, 0 for the others.', [
      'engine',
      'status',
    ]),
    collect: async () => {
      const answers = await probe.statuses();
      status.reset();
      for (const [engine, current] of answers)
        for (const one of statuses) status.set({ engine, status: one }, one === current ? 1 : 0);
    },
  });
  addLag('consumer_lag_events', 'Events published and not yet acknowledged.', ({ events }) => events);
  addLag('consumer_lag_seconds', 'Time between the newest event and the last one received.', ({ ms }) =>
    ms === undefined ? undefined : ms / 1000,
  );

  function addLag(name: string, help: string, valueOf: (lag: ConsumerLag) => number | undefined): void {
    const gauge = new Gauge({
      ...metrics.define(name, help, consumer),
      collect: async () => {
        const lags = await probe.lags();
        gauge.reset();
        for (const [engine, ofEngine] of lags)
          for (const [series, value] of largest(ofEngine, valueOf)) gauge.set({ engine, ...series }, value);
      },
    });
  }
}

type Series = Record<'topic' | 'group' | 'partition', string>;

/** One value per series: of several consumers that have no name to tell them apart, that of the one furthest behind. */
function largest(
  lags: readonly ConsumerLag[],
  valueOf: (lag: ConsumerLag) => number | undefined,
): Iterable<[Series, number]> {
  const bySeries = new Map<string, [Series, number]>();
  for (const lag of lags) {
    const value = valueOf(lag);
    if (value === undefined) continue;
    const { topic, group = '', partition = '' } = lag;
    const id = JSON.stringify([topic, group, partition]);
    const known = bySeries.get(id)?.[1] ?? 0;
    bySeries.set(id, [{ topic, group, partition }, Math.max(known, value)]);
  }
  return bySeries.values();
}
