import type { DeliveryStats } from '../../contract/observing.ts';

/** The numbers of unsettled deliveries. They are read from the queues, so that a test of the sum of all counters can fail. */
export type Unsettled = Pick<DeliveryStats, 'pending' | 'running' | 'deferred'>;

/** The counters of one engine. */
export class Counters {
  published = 0;
  enqueued = 0;
  /** Deliveries that succeeded or failed: `delivered` in the statistics. */
  settled = 0;
  dropped = 0;
  failed = 0;
  retried = 0;
  deadLettered = 0;
  released = 0;

  snapshot(unsettled: Unsettled = { pending: 0, running: 0, deferred: 0 }): DeliveryStats {
    const { published, enqueued, settled, dropped, failed, retried, deadLettered, released } = this;
    return {
      published,
      enqueued,
      delivered: settled,
      dropped,
      ...unsettled,
      failed,
      retried,
      deadLettered,
      released,
    };
  }
}

/** Adds up the statistics of several engines. */
export function sumStats(all: readonly DeliveryStats[]): DeliveryStats {
  const total = { ...new Counters().snapshot() };
  for (const stats of all)
    for (const key of Object.keys(total) as (keyof DeliveryStats)[]) total[key] += stats[key];
  return total;
}
