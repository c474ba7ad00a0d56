import {
  type Context,
  ROOT_CONTEXT,
  TraceFlags,
  type SpanContext,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
  createTraceState,
  isSpanContextValid,
  trace,
} from '@opentelemetry/api';
import type { Event } from '@polybus/core';

type Metadata = Event['metadata'];

const setter: TextMapSetter<Record<string, string>> = {
  set: (carrier, key, value) => void (carrier[key] = value),
};

const getter: TextMapGetter<Metadata> = {
  keys: (carrier) => Object.keys(carrier),
  get: (carrier, key) => {
    const value = Object.hasOwn(carrier, key) ? carrier[key] : undefined;
    return typeof value === 'string' ? value : undefined;
  },
};

/** To see under which names a propagator carries a span. */
const anySpan: SpanContext = {
  traceId: '1'.repeat(32),
  spanId: '1'.repeat(16),
  traceFlags: TraceFlags.SAMPLED,
  traceState: createTraceState('polybus=1'),
};

/**
 * How a context travels in an event: as entries of its metadata, of which `traceparent` and `tracestate` are on the wire the
 * extension attributes of CloudEvents ("Distributed Tracing").
 */
export class TraceContext {
  readonly #propagator: TextMapPropagator;
  /** The names that stand for the span: a propagator may carry other things beside it, such as baggage. */
  readonly #ofSpan: readonly string[];

  constructor(propagator: TextMapPropagator) {
    this.#propagator = propagator;
    const carried: Record<string, string> = {};
    propagator.inject(trace.setSpanContext(ROOT_CONTEXT, anySpan), carried, setter);
    this.#ofSpan = Object.keys(carried);
  }

  /** True where the publisher has put a creation context, or something of its own, under one of the names. */
  isSet(metadata: Metadata): boolean {
    return this.#ofSpan.some((field) => Object.hasOwn(metadata, field));
  }

  /** The metadata with the context, beside what the publisher put there; the same where there is nothing to carry. */
  put(context: Context, metadata: Metadata): Metadata {
    const carried: Record<string, string> = {};
    this.#propagator.inject(context, carried, setter);
    return Object.keys(carried).length === 0 ? metadata : { ...carried, ...metadata };
  }

  /** What an event brings with it: not added to the current context, which is that of the engine's reading and of nobody's. */
  of(metadata: Metadata): Context {
    return this.#propagator.extract(ROOT_CONTEXT, metadata, getter);
  }

  /** The creation context of an event. */
  spanContextOf(context: Context): SpanContext | undefined {
    const spanContext = trace.getSpanContext(context);
    return spanContext !== undefined && isSpanContextValid(spanContext) ? spanContext : undefined;
  }
}
