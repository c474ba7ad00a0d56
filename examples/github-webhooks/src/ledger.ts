import type { DeliveryData, FailureData, HandleMiddleware, Observer, PublishMiddleware } from '@polybus/core';

/** What happened to the events of one topic. */
export interface Row {
  readonly engine: string;
  readonly topic: string;
  published: number;
  /** Expected deliveries: one for each subscription that matches an event. */
  enqueued: number;
  delivered: number;
  retried: number;
  deadLettered: number;
  dropped: number;
  /** Milliseconds from publish to the end of the handler, of each delivery that succeeded. */
  readonly latencies: number[];
}

/** The methods of the bus that the ledger uses. */
export interface Topology {
  engineFor(topic: string): string;
  subscriberCount(topic: string): number;
}

/**
 * Counts deliveries per topic from middleware and lifecycle events, independently of the statistics of the engines, so that the two can
 * be compared.
 */
export class Ledger {
  readonly #rows = new Map<string, Row>();
  readonly #publishedAt = new Map<string, number>();
  #topology: Topology | undefined;

  /** Sets the bus. The ledger exists before the bus, because the bus gets the ledger's middleware. */
  connect(topology: Topology): void {
    this.#topology = topology;
  }

  rows(): Row[] {
    return [...this.#rows.values()];
  }

  readonly onPublish: PublishMiddleware = ({ event, next }) => {
    this.#publishedAt.set(event.id, performance.now());
    return next();
  };

  readonly onHandle: HandleMiddleware = async ({ event, next }) => {
    await next();
    const row = this.#row(event.topic);
    row.delivered++;
    row.latencies.push(performance.now() - this.#publishedAt.get(event.id)!);
  };

  readonly observer: Observer = ({ type, data }) => {
    if (type === 'com.modular.eventbus.message.published') this.#published(String(data['topic']));
    if (type === 'com.modular.eventbus.message.received') this.#received(data as unknown as DeliveryData);
    if (type === 'com.modular.eventbus.message.failed') this.#failed(data as unknown as FailureData);
  };

  #published(topic: string): void {
    const row = this.#row(topic);
    row.published++;
    row.enqueued += this.#topology!.subscriberCount(topic);
  }

  #received({ topic, attempt }: DeliveryData): void {
    if (attempt > 1) this.#row(topic).retried++;
  }

  #failed({ topic, outcome }: FailureData): void {
    const row = this.#row(topic);
    if (outcome === 'dropped') row.dropped++;
    // No attempts are left: the delivery is settled, without success.
    if (outcome === 'dead-letter' || outcome === 'discarded') row.delivered++;
    if (outcome === 'dead-letter') row.deadLettered++;
  }

  #row(topic: string): Row {
    let row = this.#rows.get(topic);
    if (row === undefined) {
      const counts = { published: 0, enqueued: 0, delivered: 0, retried: 0, deadLettered: 0, dropped: 0 };
      row = { engine: this.#topology!.engineFor(topic), topic, ...counts, latencies: [] };
      this.#rows.set(topic, row);
    }
    return row;
  }
}
