import { type Attributes, context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  type DataPoint,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { onTestFinished } from 'vitest';

// What an SDK registers when it is set up: without it no context is ever active.
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

/** An SDK whose exporters keep their spans and metrics. */
export interface Telemetry {
  readonly tracerProvider: BasicTracerProvider;
  readonly meterProvider: MeterProvider;
  /** The spans that have ended, in the order in which they began. */
  readonly spans: () => ReadableSpan[];
  /** One of them. */
  readonly span: (index: number) => ReadableSpan;
  readonly metric: (name: string) => Promise<{
    readonly unit: string;
    readonly points: readonly { readonly attributes: Attributes; readonly count: number }[];
  }>;
}

export function telemetry(): Telemetry {
  const exporter = new InMemorySpanExporter();
  const begun = new BeginningOrder();
  const tracerProvider = new BasicTracerProvider({
    spanProcessors: [begun, new SimpleSpanProcessor(exporter)],
  });
  const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 3_600_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  onTestFinished(async () => {
    await meterProvider.shutdown();
    await tracerProvider.shutdown();
  });
  const spans = (): ReadableSpan[] => begun.inOrder(exporter.getFinishedSpans());
  return {
    tracerProvider,
    meterProvider,
    spans,
    span: (index) => {
      const one = spans().at(index);
      if (one === undefined) throw new Error(`there is no span ${index}`);
      return one;
    },
    metric: async (name) => {
      metrics.reset();
      await meterProvider.forceFlush();
      const found = metrics
        .getMetrics()
        .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
        .filter(({ descriptor }) => descriptor.name === name);
      const one = found.at(0);
      if (one === undefined || found.length > 1) throw new Error(`${found.length} metrics ${name}`);
      const points = (one.dataPoints as DataPoint<number | Histogram>[]).map(({ attributes, value }) => ({
        attributes,
        count: typeof value === 'number' ? value : value.count,
      }));
      return { unit: one.descriptor.unit, points };
    },
  };
}

/** Knows in which order spans began: their times are not fine enough. */
class BeginningOrder implements SpanProcessor {
  readonly #ids: string[] = [];

  onStart(span: ReadableSpan): void {
    this.#ids.push(span.spanContext().spanId);
  }

  onEnd(): void {}

  inOrder(spans: readonly ReadableSpan[]): ReadableSpan[] {
    const place = (span: ReadableSpan): number => this.#ids.indexOf(span.spanContext().spanId);
    return spans.toSorted((a, b) => place(a) - place(b));
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {}
}
