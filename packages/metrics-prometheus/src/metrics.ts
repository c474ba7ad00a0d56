import { InvalidOptionError } from '@polybus/core';
import type { OpenMetricsContentType, PrometheusContentType, Registry } from 'prom-client';

/** A registry in the Prometheus or the OpenMetrics format. */
export type AnyRegistry = Registry<PrometheusContentType> | Registry<OpenMetricsContentType>;

/** The options of prom-client's metrics. */
export interface MetricDefinition<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
  readonly registers: AnyRegistry[];
}

/** The metrics of one collector, which can be removed from the registry. */
export class Metrics {
  readonly #register: AnyRegistry;
  readonly #namespace: string;
  readonly #names: string[] = [];

  constructor(register: AnyRegistry, namespace: string) {
    this.#register = register;
    this.#namespace = namespace;
  }

  /** @throws {@link InvalidOptionError} if the registry already has a metric of that name. */
  define<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
  ): MetricDefinition<Label> {
    const full = `${this.#namespace}_${name}`;
    if (this.#register.getSingleMetric(full) !== undefined) {
      this.remove();
      throw new InvalidOptionError(
        'namespace',
        this.#namespace,
        `a namespace that the registry does not use yet; it already has a metric "${full}"`,
      );
    }
    this.#names.push(full);
    return { name: full, help, labelNames, registers: [this.#register] };
  }

  remove(): void {
    for (const name of this.#names.splice(0)) this.#register.removeSingleMetric(name);
  }
}
