import type { DeliveryStats } from '../../contract/observing.ts';

/** What is looked up, not counted, so that the conservation of counts can fail. */
export type Unsettled = Pick<DeliveryStats, 'pending' | 'running' | 'deferred'>;

/** The counts of one engine. */
export class Counters {
  published = 0;
  enqueued = 0;
  delivered = 0;
  dropped = 0;
  failed = 0;
  retried = 0;
  deadLettered = 0;
  released = 0;

  snapshot(unsettled: Unsettled = { pending: 0, running: 0, deferred: 0 }): DeliveryStats {
    const { published, enqueued, delivered, dropped, failed, retried, deadLettered, released } = this;
    return { published, enqueued, delivered, dropped, ...unsettled, failed, retried, deadLettered, released };
  }
}

/** The sum of several engines' counts. */
export function sumStats(stats: readonly DeliveryStats[]): DeliveryStats {
  const total = { ...new Counters().snapshot() };
  for (const one of stats)
    for (const key of Object.keys(total) as (keyof DeliveryStats)[]) total[key] += one[key];
  return total;
}
