import type { ConsumerLag, RouterView } from '@polybus/core';
import { Gauge } from 'prom-client';
import { BrokerProbe } from './broker-probe.ts';
import type { Metrics } from './metrics.ts';

const statuses = ['up', 'degraded', 'down'] as const;
const consumer = ['engine', 'topic', 'group', 'partition'] as const;

/** Gauges for the status of each engine and for the lag of its consumers, if the broker knows it. */
export function addBrokerGauges(router: RouterView, metrics: Metrics, timeoutMs: number): void {
  const probe = new BrokerProbe(router, timeoutMs);
  const status = new Gauge({
    ...metrics.define('engine_status', 'The status of the engine: 1 for its status, 0 for the others.', [
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
  addLag(
    'consumer_lag_events',
    'The number of published events that are not acknowledged yet.',
    ({ events }) => events,
  );
  addLag(
    'consumer_lag_seconds',
    'The time between the newest event and the last event received.',
    ({ ms }) => (ms === undefined ? undefined : ms / 1000),
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

/** Returns one value per series. Of several consumers with the same labels, it is that of the consumer furthest behind. */
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
