import {
  type Attributes,
  type Link,
  type MeterProvider,
  SpanKind,
  type TextMapPropagator,
  type Tracer,
  type TracerProvider,
  context,
  trace,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  type Event,
  type HandleMiddleware,
  InvalidOptionError,
  type Middleware,
  type PublishMiddleware,
  type RouterView,
  tenantOf,
} from '@polybus/core';
import { isPattern } from '@polybus/core/engine';
import { type OptionNames, assertOptionNames } from '@polybus/core/engine-kit';
import {
  type Operation,
  attribute,
  operationAttributes,
  ownAttribute,
  schemaUrl,
  systemOf,
} from './conventions.ts';
import { Instruments } from './instruments.ts';
import { runAsSpan } from './observed-span.ts';
import { TraceContext } from './trace-context.ts';

export interface OpenTelemetryOptions {
  /** Default: the global provider. */
  readonly tracerProvider?: TracerProvider | undefined;
  /** Default: the global provider. */
  readonly meterProvider?: MeterProvider | undefined;
  /**
   * The propagator that stores the context in an event. Default: the W3C trace context, `traceparent` and `tracestate`. Use a
   * composite propagator to add baggage.
   */
  readonly propagator?: TextMapPropagator | undefined;
  /**
   * How a process span refers to the span that sent the event. Default `child`: it is a child in the same trace and also has a link.
   * `link`: it is the root of a new trace with a link.
   */
  readonly processSpan?: 'child' | 'link' | undefined;
  /**
   * Returns a name with low cardinality for topics that contain ids: `user.42.updated` → `user.{id}.updated`. Span names and metrics
   * then have this name instead of the topic. Default: none.
   */
  readonly template?: ((topic: string) => string | undefined) | undefined;
}

const optionNames = {
  tracerProvider: true,
  meterProvider: true,
  propagator: true,
  processSpan: true,
  template: true,
} satisfies OptionNames<OpenTelemetryOptions>;

/** The `middleware` of a bus that creates traces and metrics. */
export interface OpenTelemetryMiddleware extends Middleware {
  readonly publish: readonly PublishMiddleware[];
  readonly handle: readonly HandleMiddleware[];
  /**
   * Runs the processing of several events in one process span, which has a link to each span that sent one of them.
   *
   * @param events - The events as handlers got them.
   */
  processBatch<T>(events: readonly Event[], run: () => T | Promise<T>): Promise<T>;
}

/**
 * Creates spans and metrics by the OpenTelemetry conventions for messaging: one `send` span per publish and one `process` span per
 * attempt of a handler. The event carries the context.
 *
 * @example
 * ```ts
 * const bus = createEventBus({ middleware: openTelemetry() });
 * ```
 *
 * @throws {@link InvalidOptionError} or {@link UnknownOptionError} if an option is invalid.
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): OpenTelemetryMiddleware {
  assertOptionNames('openTelemetry', options, optionNames);
  const { processSpan, template } = options;
  if (processSpan !== undefined && processSpan !== 'child' && processSpan !== 'link')
    throw new InvalidOptionError('processSpan', processSpan, '"child" or "link"');
  if (template !== undefined && typeof template !== 'function')
    throw new InvalidOptionError('template', template, 'a function of the topic');
  return new MessagingTelemetry(options);
}

class MessagingTelemetry implements OpenTelemetryMiddleware {
  readonly publish: readonly PublishMiddleware[];
  readonly handle: readonly HandleMiddleware[];
  readonly #tracer: Tracer;
  readonly #instruments: Instruments;
  readonly #carried: TraceContext;
  readonly #isChild: boolean;
  readonly #template: (topic: string) => string | undefined;
  /** The messaging system of each handled event, for batches. */
  readonly #systems = new WeakMap<Event, string>();

  constructor(options: OpenTelemetryOptions) {
    const { tracerProvider = trace, propagator = new W3CTraceContextPropagator() } = options;
    this.#tracer = tracerProvider.getTracer('@polybus/opentelemetry', undefined, { schemaUrl });
    this.#instruments = new Instruments(options.meterProvider);
    this.#carried = new TraceContext(propagator);
    this.#isChild = options.processSpan !== 'link';
    this.#template = options.template ?? (() => undefined);
    this.publish = [(call) => this.#send(call)];
    this.handle = [(call) => this.#process(call)];
  }

  #send: PublishMiddleware = async ({ event, next, router }) => {
    const { topic, metadata } = event;
    const engine = router.engineFor(topic, tenantOf(event));
    const common = operationAttributes('send', systemFor(router, engine));
    const destination = this.#destination(topic);
    const active = context.active();
    // "If a user provides a custom creation context in a message, this context SHOULD NOT be modified."
    const isCustom = this.#carried.isSet(metadata);
    const custom = isCustom ? this.#carried.spanContextOf(this.#carried.of(metadata)) : undefined;
    const span = this.#tracer.startSpan(
      this.#name('send', topic),
      {
        kind: custom === undefined ? SpanKind.PRODUCER : SpanKind.CLIENT,
        attributes: { ...common, ...destination, ...ofMessage(event, engine, common) },
        links: custom === undefined ? [] : [{ context: custom }],
      },
      active,
    );
    const carried = isCustom ? metadata : this.#carried.put(trace.setSpan(active, span), metadata);
    const send = (): Promise<void> =>
      next(carried === metadata ? undefined : { ...event, metadata: carried });
    await runAsSpan(span, active, send, (durationMs, failure) =>
      this.#instruments.sent(durationMs, { ...common, ...this.#metricDestination(topic, topic), ...failure }),
    );
  };

  #process: HandleMiddleware = async ({ event, next, context: handling, router }) => {
    const { subscription, engine: from, attempt, signal } = handling;
    const { topic } = event;
    // A bus can be an engine of another bus, which has another name for it.
    const engine = router.engineNames().includes(from) ? from : router.engineFor(topic, tenantOf(event));
    const system = systemFor(router, engine);
    this.#systems.set(event, system);
    const { group } = subscription;
    const common = {
      ...operationAttributes('process', system),
      ...(group === undefined ? {} : { [attribute.groupName]: group }),
    };
    const carried = this.#carried.of(event.metadata);
    const creation = this.#carried.spanContextOf(carried);
    const parent = this.#isChild ? carried : trace.deleteSpan(carried);
    const span = this.#tracer.startSpan(
      this.#name('process', topic),
      {
        kind: SpanKind.CONSUMER,
        attributes: {
          ...common,
          ...this.#destination(topic),
          ...ofMessage(event, engine, common),
          [ownAttribute.subscription]: subscription.id,
          [ownAttribute.attempt]: attempt,
        },
        links: creation === undefined ? [] : [{ context: creation }],
      },
      parent,
    );
    const metricDestination = this.#metricDestination(topic, subscription.topic);
    await runAsSpan(
      span,
      parent,
      () => next(),
      (durationMs, failure) =>
        // The event is delivered once, whatever the number of attempts.
        this.#instruments.processed(durationMs, attempt === 1 ? 1 : 0, {
          ...common,
          ...metricDestination,
          ...failure,
        }),
      signal,
    );
  };

  async processBatch<T>(events: readonly Event[], run: () => T | Promise<T>): Promise<T> {
    const topics = new Set(events.map(({ topic }) => topic));
    const systems = new Set(events.map((event) => this.#systems.get(event)));
    const [system = 'polybus'] = systems.size === 1 ? systems : [];
    const common = operationAttributes('process', system);
    const [topic] = topics.size === 1 ? topics : [];
    const parent = context.active();
    const span = this.#tracer.startSpan(
      topic === undefined ? 'process' : this.#name('process', topic),
      {
        kind: SpanKind.CONSUMER,
        attributes: {
          ...common,
          ...(topic === undefined ? {} : this.#destination(topic)),
          [attribute.batchCount]: events.length,
        },
        links: events.flatMap((event) => this.#linkTo(event, topic === undefined)),
      },
      parent,
    );
    const destination = topic === undefined ? {} : this.#metricDestination(topic, topic);
    return runAsSpan(
      span,
      parent,
      async () => run(),
      // The messages were counted when their handlers started.
      (durationMs, failure) =>
        this.#instruments.processed(durationMs, 0, { ...common, ...destination, ...failure }),
    );
  }

  #linkTo(event: Event, withTopic: boolean): Link[] {
    const creation = this.#carried.spanContextOf(this.#carried.of(event.metadata));
    if (creation === undefined) return [];
    const attributes: Attributes = { [attribute.messageId]: event.id };
    if (withTopic) attributes[attribute.destinationName] = event.topic;
    return [{ context: creation, attributes }];
  }

  #name(operation: Operation, topic: string): string {
    return `${operation} ${this.#template(topic) ?? topic}`;
  }

  #destination(topic: string): Attributes {
    const template = this.#template(topic);
    return {
      [attribute.destinationName]: topic,
      ...(template === undefined ? {} : { [attribute.destinationTemplate]: template }),
    };
  }

  /** Returns the name of a topic in metrics: its template, or else the topic or pattern of the subscription. */
  #metricDestination(topic: string, subscribed: string): Attributes {
    const template = this.#template(topic) ?? (isPattern(subscribed) ? subscribed : undefined);
    return template === undefined
      ? { [attribute.destinationName]: topic }
      : { [attribute.destinationTemplate]: template };
  }
}

function ofMessage(event: Event, engine: string, common: Attributes): Attributes {
  return {
    [attribute.messageId]: event.id,
    [ownAttribute.engine]: engine,
    ...(common[attribute.system] === 'kafka' && event.key !== undefined
      ? { [attribute.kafkaKey]: event.key }
      : {}),
  };
}

/** Returns the `messaging.system` of an engine; `polybus` if the engine is not created yet, in which case the publish is refused. */
function systemFor(router: RouterView, engine: string): string {
  try {
    return systemOf(router.engine(engine).type);
  } catch {
    return 'polybus';
  }
}
