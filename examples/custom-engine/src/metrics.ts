import type { EventHandler } from '@polybus/core';

/** The metrics of an engine since the last reset. */
export interface EventMetrics {
  /** Published events that all filters accepted. */
  readonly totalEvents: number;
  readonly eventsPerTopic: Readonly<Record<string, number>>;
  /** Events that a filter rejected, by the filter's name. */
  readonly filteredPerFilter: Readonly<Record<string, number>>;
  /** Mean duration of handler attempts, in milliseconds; 0 before the first attempt has ended. */
  readonly averageProcessingTimeMs: number;
  readonly lastResetTime: Date;
}

/** Counts events, and measures the durations of handlers. */
export class MetricsRecorder {
  readonly #perTopic = new Map<string, number>();
  readonly #perFilter = new Map<string, number>();
  #attempts = 0;
  #processingMs = 0;
  #lastReset = new Date();

  carried(topic: string): void {
    this.#perTopic.set(topic, (this.#perTopic.get(topic) ?? 0) + 1);
  }

  filtered(filter: string): void {
    this.#perFilter.set(filter, (this.#perFilter.get(filter) ?? 0) + 1);
  }

  /** Wraps a handler to measure its duration. Returns any other value unchanged, so that the engine rejects it. */
  timed<T>(handler: EventHandler<T>): EventHandler<T> {
    if (typeof handler !== 'function') return handler;
    return async (event, context) => {
      const startedAt = performance.now();
      try {
        await handler(event, context);
      } finally {
        this.#attempts++;
        this.#processingMs += performance.now() - startedAt;
      }
    };
  }

  snapshot(): EventMetrics {
    return {
      totalEvents: [...this.#perTopic.values()].reduce((sum, count) => sum + count, 0),
      eventsPerTopic: Object.fromEntries(this.#perTopic),
      filteredPerFilter: Object.fromEntries(this.#perFilter),
      averageProcessingTimeMs: this.#attempts === 0 ? 0 : this.#processingMs / this.#attempts,
      lastResetTime: this.#lastReset,
    };
  }

  reset(): void {
    this.#perTopic.clear();
    this.#perFilter.clear();
    this.#attempts = 0;
    this.#processingMs = 0;
    this.#lastReset = new Date();
  }
}
