import {
  type Attributes,
  type Counter,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
} from '@opentelemetry/api';
import { durationBoundaries, metric, schemaUrl } from './conventions.ts';

const advice = { explicitBucketBoundaries: durationBoundaries };

/** The metrics of the conventions. Created on first use, because an SDK that is set up later does not get earlier instruments. */
export class Instruments {
  readonly #provider: MeterProvider | undefined;
  #made: Made | undefined;

  constructor(provider: MeterProvider | undefined) {
    this.#provider = provider;
  }

  sent(durationMs: number, attributes: Attributes): void {
    const { operationDuration, sent } = this.#instruments;
    operationDuration.record(durationMs / 1000, attributes);
    sent.add(1, attributes);
  }

  processed(durationMs: number, messages: number, attributes: Attributes): void {
    const { processDuration, consumed } = this.#instruments;
    processDuration.record(durationMs / 1000, attributes);
    if (messages > 0) consumed.add(messages, attributes);
  }

  get #instruments(): Made {
    return (this.#made ??= make(
      (this.#provider ?? metrics).getMeter('@polybus/opentelemetry', undefined, { schemaUrl }),
    ));
  }
}

interface Made {
  readonly operationDuration: Histogram;
  readonly sent: Counter;
  readonly processDuration: Histogram;
  readonly consumed: Counter;
}

function make(meter: Meter): Made {
  return {
    operationDuration: meter.createHistogram(metric.operationDuration, {
      unit: 's',
      description: 'Duration of messaging operation initiated by a producer or consumer client.',
      advice,
    }),
    sent: meter.createCounter(metric.sent, {
      unit: '{message}',
      description: 'Number of messages producer attempted to send to the broker.',
    }),
    processDuration: meter.createHistogram(metric.processDuration, {
      unit: 's',
      description: 'Duration of processing operation.',
      advice,
    }),
    consumed: meter.createCounter(metric.consumed, {
      unit: '{message}',
      description: 'Number of messages that were delivered to the application.',
    }),
  };
}
