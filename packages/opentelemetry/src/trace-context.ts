import {
  type Context,
  ROOT_CONTEXT,
  type SpanContext,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
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

/**
 * How a context travels in an event: as entries of its metadata, of which `traceparent` and `tracestate` are on the wire the
 * extension attributes of CloudEvents ("Distributed Tracing").
 */
export class TraceContext {
  readonly #propagator: TextMapPropagator;

  constructor(propagator: TextMapPropagator) {
    this.#propagator = propagator;
  }

  /** True where the publisher has put a creation context, or something of its own, under one of the names. */
  isSet(metadata: Metadata): boolean {
    return this.#propagator.fields().some((field) => Object.hasOwn(metadata, field));
  }

  /** The metadata with the context; the same where there is nothing to carry. */
  put(context: Context, metadata: Metadata): Metadata {
    const carried: Record<string, string> = {};
    this.#propagator.inject(context, carried, setter);
    return Object.keys(carried).length === 0 ? metadata : { ...metadata, ...carried };
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
