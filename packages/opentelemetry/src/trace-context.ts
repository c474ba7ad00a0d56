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

/** A span context that shows which names a propagator uses. */
const anySpan: SpanContext = {
  traceId: '1'.repeat(32),
  spanId: '1'.repeat(16),
  traceFlags: TraceFlags.SAMPLED,
  traceState: createTraceState('polybus=1'),
};

/**
 * Stores a context in the metadata of an event. On the wire, `traceparent` and `tracestate` are the extension attributes of CloudEvents
 * ("Distributed Tracing").
 */
export class TraceContext {
  readonly #propagator: TextMapPropagator;
  /** The names that contain the span. A propagator may have other names, such as for baggage. */
  readonly #ofSpan: readonly string[];

  constructor(propagator: TextMapPropagator) {
    this.#propagator = propagator;
    const carried: Record<string, string> = {};
    propagator.inject(trace.setSpanContext(ROOT_CONTEXT, anySpan), carried, setter);
    this.#ofSpan = Object.keys(carried);
  }

  /** Returns true if the publisher set one of the names, to a creation context or to its own value. */
  isSet(metadata: Metadata): boolean {
    return this.#ofSpan.some((field) => Object.hasOwn(metadata, field));
  }

  /** Returns the metadata with the context added; the same object if there is no context. */
  put(context: Context, metadata: Metadata): Metadata {
    const carried: Record<string, string> = {};
    this.#propagator.inject(context, carried, setter);
    return Object.keys(carried).length === 0 ? metadata : { ...carried, ...metadata };
  }

  /** Extracts the context of an event. It does not extend the current context, which belongs to the reading of the engine. */
  of(metadata: Metadata): Context {
    return this.#propagator.extract(ROOT_CONTEXT, metadata, getter);
  }

  /** Returns the creation context of an event. */
  spanContextOf(context: Context): SpanContext | undefined {
    const spanContext = trace.getSpanContext(context);
    return spanContext !== undefined && isSpanContextValid(spanContext) ? spanContext : undefined;
  }
}
