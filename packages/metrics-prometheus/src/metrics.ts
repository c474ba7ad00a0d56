import { InvalidOptionError } from '@polybus/core';
import type { OpenMetricsContentType, PrometheusContentType, Registry } from 'prom-client';

/** A registry of either format. */
export type AnyRegistry = Registry<PrometheusContentType> | Registry<OpenMetricsContentType>;

/** What prom-client's metrics are made of. */
export interface MetricDefinition<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
  readonly registers: AnyRegistry[];
}

/** The metrics of one collector: their names, and how to take them off the registry again. */
export class Metrics {
  readonly #register: AnyRegistry;
  readonly #namespace: string;
  readonly #names: string[] = [];

  constructor(register: AnyRegistry, namespace: string) {
    this.#register = register;
    this.#namespace = namespace;
  }

  /** @throws {@link InvalidOptionError} where the registry has a metric of that name. */
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
        `a namespace that is not in use on the registry, which has a metric "${full}"`,
      );
    }
    this.#names.push(full);
    return { name: full, help, labelNames, registers: [this.#register] };
  }

  remove(): void {
    for (const name of this.#names.splice(0)) this.#register.removeSingleMetric(name);
  }
}
