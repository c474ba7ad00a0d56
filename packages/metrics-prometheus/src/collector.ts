import { InvalidOptionError, type ObservableBus } from '@polybus/core';
import { type OptionNames, assertOptionNames } from '@polybus/core/engine-kit';
import { register as globalRegistry } from 'prom-client';
import { addBrokerGauges } from './broker-gauges.ts';
import { addCounts } from './counts.ts';
import { addHandlerDurations } from './handler-durations.ts';
import { type AnyRegistry, Metrics } from './metrics.ts';

export interface PrometheusCollectorOptions {
  /** The prefix of every metric name. Default `modular_eventbus`. */
  readonly namespace?: string | undefined;
  /** The registry of the metrics. Default: the global registry of prom-client. */
  readonly register?: AnyRegistry | undefined;
  /** The upper bounds of the buckets for handler durations, in seconds, ascending. Default: 14 from 0.001 to 60. */
  readonly buckets?: readonly number[] | undefined;
  /** How long a scrape waits for the health and the lag of a broker, in milliseconds. Default 1000. */
  readonly timeoutMs?: number | undefined;
}

const optionNames = {
  namespace: true,
  register: true,
  buckets: true,
  timeoutMs: true,
} satisfies OptionNames<PrometheusCollectorOptions>;
const defaultBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const longestTimerMs = 2 ** 31 - 1;

/**
 * Provides the Prometheus metrics of a bus on a registry of prom-client. Counters are read at each scrape and cost nothing in between.
 * Only handlers are timed while they run.
 *
 * @example
 * ```ts
 * const collector = new PrometheusCollector(bus, { register });
 * response.end(await register.metrics());
 * ```
 */
export class PrometheusCollector implements Disposable {
  readonly #metrics: Metrics;
  readonly #endDurations: () => void;

  /**
   * @throws {@link InvalidOptionError} if an option is invalid, or if the registry already has metrics of that namespace.
   * @throws {@link UnknownOptionError}
   */
  constructor(bus: ObservableBus, options: PrometheusCollectorOptions = {}) {
    assertOptionNames('PrometheusCollector', options, optionNames);
    const { namespace = 'modular_eventbus', register = globalRegistry } = options;
    const { buckets = defaultBuckets, timeoutMs = 1000 } = options;
    assertNamespace(namespace);
    assertBuckets(buckets);
    if (!(typeof timeoutMs === 'number' && timeoutMs > 0 && timeoutMs <= longestTimerMs))
      throw new InvalidOptionError(
        'timeoutMs',
        timeoutMs,
        `milliseconds, more than 0, up to ${longestTimerMs}`,
      );
    this.#metrics = new Metrics(register, namespace);
    addCounts(bus.router, this.#metrics);
    addBrokerGauges(bus.router, this.#metrics, timeoutMs);
    this.#endDurations = addHandlerDurations(bus, this.#metrics, buckets);
  }

  /** Removes the metrics from the registry and stops timing handlers. Idempotent. */
  close(): void {
    this.#endDurations();
    this.#metrics.remove();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Prometheus data model, "Metric names and labels", without colons, which are for recording rules. */
function assertNamespace(namespace: unknown): void {
  if (typeof namespace === 'string' && /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(namespace)) return;
  throw new InvalidOptionError(
    'namespace',
    namespace,
    'letters, digits and "_", beginning with a letter or "_"',
  );
}

function assertBuckets(buckets: readonly number[]): void {
  const isAscending =
    Array.isArray(buckets) &&
    buckets.length > 0 &&
    buckets.every((bound, i) => bound > (i === 0 ? 0 : (buckets[i - 1] as number)) && Number.isFinite(bound));
  if (!isAscending) throw new InvalidOptionError('buckets', buckets, 'seconds, more than 0, ascending');
}
