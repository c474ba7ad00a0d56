import { SpanKind, SpanStatusCode, context, metrics, propagation, trace } from '@opentelemetry/api';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { type Event, type EventBusOptions, createEventBus } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { memoryEngine } from '@polybus/engine-memory';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type OpenTelemetryOptions, openTelemetry } from '../src/index.ts';
import { telemetry } from './telemetry.ts';

const patience = { timeout: 30_000 };
const logger = { warn: () => {}, error: () => {} };

async function traced(options: OpenTelemetryOptions = {}, busOptions: EventBusOptions = {}) {
  const sdk = telemetry();
  const { tracerProvider, meterProvider } = sdk;
  const middleware = openTelemetry({ tracerProvider, meterProvider, ...options });
  const bus = createEventBus({
    engines: [{ name: 'm', engine: memoryEngine({ retry: { attempts: 2, backoff: { initialMs: 0 } } }) }],
    middleware,
    logger,
    ...busOptions,
  });
  onTestFinished(() => bus.stop({ timeoutMs: 0 }).catch(() => {}));
  await bus.start();
  const tracer = tracerProvider.getTracer('test');
  return { ...sdk, bus, middleware, tracer };
}

describe('spans', () => {
  test('are a send span for a publish, and a linked child process span for each handling', async () => {
    const { bus, spans, span } = await traced();
    const active: (string | undefined)[] = [];
    const subscription = await bus.subscribe(
      'user.*',
      () => void active.push(trace.getActiveSpan()?.spanContext().spanId),
      { group: 'mail' },
    );
    await bus.publish('user.created', 1, { id: 'e1', key: 'k' });
    const [send, process] = [span(0), span(1)];
    expect(send).toMatchObject({
      name: 'send user.created',
      kind: SpanKind.PRODUCER,
      links: [],
      status: { code: SpanStatusCode.UNSET },
      instrumentationScope: {
        name: '@polybus/opentelemetry',
        schemaUrl: 'https://opentelemetry.io/schemas/1.44.0',
      },
    });
    expect(send.parentSpanContext).toBeUndefined();
    const common = {
      'messaging.system': 'memory',
      'messaging.system.name': 'memory',
      'messaging.destination.name': 'user.created',
      'messaging.message.id': 'e1',
      'polybus.engine': 'm',
    };
    expect(send.attributes).toEqual({
      ...common,
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
    });
    const { traceId, spanId } = send.spanContext();
    expect(process).toMatchObject({
      name: 'process user.created',
      kind: SpanKind.CONSUMER,
      parentSpanContext: { traceId, spanId },
      links: [{ context: { traceId, spanId } }],
    });
    expect(process.attributes).toEqual({
      ...common,
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.consumer.group.name': 'mail',
      'polybus.subscription': subscription.id,
      'polybus.attempt': 1,
    });
    expect(process.spanContext().traceId).toBe(traceId);
    expect(active).toEqual([process.spanContext().spanId]);
    expect(spans()).toHaveLength(2);
  });

  test('are nested: a send span in the active span, and publishes of a handler in its process span', async () => {
    const { bus, spans, tracer } = await traced();
    await bus.subscribe('a', () => bus.publish('b', 1));
    await bus.subscribeAsync('b', () => {});
    await tracer.startActiveSpan('request', async (request) => {
      await bus.publish('a', 1);
      request.end();
    });
    await expect.poll(() => spans().length, patience).toBe(5);
    const ids = new Map(spans().map((span) => [span.spanContext().spanId, span.name]));
    const parents = spans().map((span) => [span.name, ids.get(span.parentSpanContext?.spanId ?? '')]);
    expect(Object.fromEntries(parents)).toEqual({
      request: undefined,
      'send a': 'request',
      'process a': 'send a',
      'send b': 'process a',
      'process b': 'send b',
    });
    expect(new Set(spans().map((span) => span.spanContext().traceId)).size).toBe(1);
  });

  test('cover each attempt; a failed attempt has an error status', async () => {
    const { bus, span } = await traced();
    await bus.subscribe('a', (_, { attempt }) => {
      if (attempt === 1) throw new RangeError('once');
    });
    await bus.publish('a', 1);
    const [send, first, second] = [span(0), span(1), span(2)];
    expect(first).toMatchObject({
      attributes: { 'polybus.attempt': 1, 'error.type': 'RangeError' },
      status: { code: SpanStatusCode.ERROR, message: 'once' },
      events: [{ name: 'exception', attributes: { 'exception.message': 'once' } }],
    });
    expect(second).toMatchObject({
      attributes: { 'polybus.attempt': 2 },
      status: { code: SpanStatusCode.UNSET },
      events: [],
    });
    expect(second.attributes['error.type']).toBeUndefined();
    const { spanId } = send.spanContext();
    expect([first, second].map((one) => one.parentSpanContext?.spanId)).toEqual([spanId, spanId]);
  });

  test('name the engine that delivered, even if the routing rules name another', async () => {
    const right = memoryEngine();
    Object.defineProperty(right, 'type', { value: 'kafka' });
    const engines = [
      { name: 'right', engine: right },
      { name: 'left', engine: memoryEngine() },
    ];
    const routing = [{ topics: ['a'], engine: 'left' }];
    const { bus, span } = await traced({}, { engines, routing });
    await bus.subscribe('*', () => {});
    await bus.router.engine('right').publish({ topic: 'a', payload: 1 });
    expect(span(0).attributes).toMatchObject({ 'polybus.engine': 'right', 'messaging.system': 'kafka' });
    const outer = await traced({}, { engines: [{ name: 'inner', engine: bus.untyped as Engine }] });
    await outer.bus.subscribe('b', () => {});
    await outer.bus.publish('b', 1);
    expect(outer.span(1).attributes).toMatchObject({ 'polybus.engine': 'inner' });
  });

  test('of a refused publish end with the code of its error', async () => {
    const { bus, spans } = await traced();
    await bus.stop();
    await expect(bus.publish('a', 1)).rejects.toMatchObject({ code: 'EVENT_BUS_NOT_STARTED' });
    expect(spans()).toMatchObject([
      {
        name: 'send a',
        attributes: { 'error.type': 'EVENT_BUS_NOT_STARTED' },
        status: { code: SpanStatusCode.ERROR },
      },
    ]);
  });

  test('of a handler that throws a value other than an Error have an error status', async () => {
    const { bus, span } = await traced();
    await bus.subscribe('a', () => Promise.reject(Object.create(null) as Error), { retry: false });
    await bus.publish('a', 1);
    expect(span(1)).toMatchObject({
      attributes: { 'error.type': '_OTHER' },
      status: { code: SpanStatusCode.ERROR },
      events: [],
    });
  });

  test('of a hanging handler end at its timeout', async () => {
    const { bus, spans } = await traced();
    await bus.subscribe('a', () => new Promise(() => {}), { retry: false, handlerTimeoutMs: 1 });
    await bus.publish('a', 1);
    expect(spans().map(({ name, attributes }) => [name, attributes['error.type']])).toEqual([
      ['send a', undefined],
      ['process a', 'HANDLER_TIMEOUT'],
    ]);
  });

  test('of an event that a loop released have no error status', async () => {
    const { bus, span } = await traced();
    const stream = bus.events('a');
    await stream.ready;
    await bus.publish('a', 1);
    await stream.next();
    await stream.return();
    expect(span(1)).toMatchObject({
      name: 'process a',
      attributes: { 'polybus.released': true },
      status: { code: SpanStatusCode.UNSET },
    });
  });

  test('are separate traces with a link to the send span with processSpan: link', async () => {
    const { bus, span } = await traced({ processSpan: 'link' });
    await bus.subscribe('a', () => {});
    await bus.publish('a', 1);
    const [send, process] = [span(0), span(1)];
    const { traceId, spanId } = send.spanContext();
    expect(process.parentSpanContext).toBeUndefined();
    expect(process.spanContext().traceId).not.toBe(traceId);
    expect(process.links).toMatchObject([{ context: { traceId, spanId } }]);
  });

  test('use a template instead of the topic in names', async () => {
    const { bus, spans, span } = await traced({
      template: (topic) => (/^user\.\d+$/.test(topic) ? 'user.{id}' : undefined),
    });
    await bus.subscribe('user.42', () => {});
    await bus.publish('user.42', 1);
    await bus.publish('other', 1);
    expect(spans().map(({ name }) => name)).toEqual(['send user.{id}', 'process user.{id}', 'send other']);
    expect(span(1).attributes).toMatchObject({
      'messaging.destination.name': 'user.42',
      'messaging.destination.template': 'user.{id}',
    });
  });

  test.each([
    ['kafka', 'kafka', 'k'],
    ['redis', 'redis', undefined],
    ['kinesis', 'aws.kinesis', undefined],
    ['durable-memory', 'memory', undefined],
    ['carrier-pigeon', 'carrier-pigeon', undefined],
  ])('of the engine type %s have the system %s', async (type, system, key) => {
    const engine = memoryEngine();
    Object.defineProperty(engine, 'type', { value: type });
    const { bus, span } = await traced({}, { engines: [{ name: 'm', engine }] });
    await bus.publish('a', 1, { key: 'k' });
    expect(span(0).attributes).toMatchObject({ 'messaging.system': system });
    expect(span(0).attributes['messaging.kafka.message.key']).toBe(key);
  });
});

describe('the context of an event', () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

  test('is in its metadata, with the metadata of the publisher', async () => {
    const { bus, span } = await traced();
    const seen: unknown[] = [];
    await bus.subscribe('a', ({ metadata }) => void seen.push(metadata));
    await bus.publish('a', 1, { metadata: { tenant: 't1' } });
    const { traceId, spanId } = span(0).spanContext();
    expect(seen).toEqual([{ tenant: 't1', traceparent: `00-${traceId}-${spanId}-01` }]);
  });

  test('is not changed if the publisher set it, and the send span links to it', async () => {
    const { bus, span } = await traced();
    const seen: unknown[] = [];
    await bus.subscribe('a', ({ metadata }) => void seen.push(metadata));
    await bus.publish('a', 1, { metadata: { traceparent, tracestate: 'vendor=1' } });
    const [send, process] = [span(0), span(1)];
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const creation = { traceId, spanId: 'b7ad6b7169203331', isRemote: true };
    expect(seen).toEqual([{ traceparent, tracestate: 'vendor=1' }]);
    expect(send).toMatchObject({ kind: SpanKind.CLIENT, links: [{ context: creation }] });
    expect(process).toMatchObject({ parentSpanContext: creation, links: [{ context: creation }] });
    expect(process.spanContext().traceId).toBe(traceId);
    expect(process.spanContext().traceState?.serialize()).toBe('vendor=1');
  });

  test('is kept as the publisher set it if it is invalid', async () => {
    const { bus, span } = await traced();
    const seen: unknown[] = [];
    await bus.subscribe('a', ({ metadata }) => void seen.push(metadata));
    const metadata = { traceparent: { mine: true } };
    await bus.publish('a', 1, { metadata });
    expect(seen).toEqual([metadata]);
    expect(span(0)).toMatchObject({ kind: SpanKind.PRODUCER, links: [] });
    expect(span(1)).toMatchObject({ links: [] });
    expect(span(1).parentSpanContext).toBeUndefined();
  });

  test('is kept in a dead letter', async () => {
    const { bus, spans, span } = await traced();
    await bus.subscribe('_dead.a', () => {});
    await bus.subscribe('a', () => Promise.reject(new Error('no')), { retry: false, deadLetter: true });
    await bus.publish('a', 1);
    await expect.poll(() => spans().map(({ name }) => name), patience).toContain('process _dead.a');
    const send = span(0);
    const rest = spans().slice(1);
    const { spanId } = send.spanContext();
    expect(rest.map(({ name }) => name).toSorted()).toEqual(['process _dead.a', 'process a']);
    for (const { links } of rest) expect(links).toMatchObject([{ context: { spanId } }]);
  });

  test('contains baggage if the propagator supports it', async () => {
    const propagator = new CompositePropagator({
      propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
    });
    const { bus, span } = await traced({ propagator });
    const seen: unknown[] = [];
    await bus.subscribeAsync('a', ({ metadata }) => {
      seen.push(metadata['baggage'], propagation.getActiveBaggage()?.getEntry('tenant')?.value);
    });
    await bus.publish('a', 1, { metadata: { baggage: 'tenant=t2' } });
    await expect.poll(() => seen, patience).toEqual(['tenant=t2', 't2']);
    seen.length = 0;
    // An existing value does not prevent the trace context.
    expect(span(1).parentSpanContext?.spanId).toBe(span(0).spanContext().spanId);
    const baggage = propagation.createBaggage({ tenant: { value: 't1' } });
    await context.with(propagation.setBaggage(context.active(), baggage), () => bus.publish('a', 1));
    await expect.poll(() => seen, patience).toEqual(['tenant=t1', 't1']);
  });
});

describe('a batch', () => {
  test('is one process span that links to the send spans of its events', async () => {
    const { bus, spans, span, middleware, metric } = await traced();
    const gathered: Event[] = [];
    await bus.subscribe('*', (event) => void gathered.push(event));
    for (const topic of ['a', 'a', 'b']) await bus.publish(topic, topic, { id: `e${gathered.length}` });
    const before = spans().length;
    expect(await middleware.processBatch(gathered.slice(0, 2), () => 'done')).toBe('done');
    await expect(
      middleware.processBatch(gathered, () => Promise.reject(new TypeError('no'))),
    ).rejects.toThrow('no');
    const sends = spans().filter(({ name }) => name.startsWith('send'));
    const linkTo = (n: number, extra = {}): object => ({
      context: { spanId: sends.at(n)?.spanContext().spanId },
      attributes: { 'messaging.message.id': `e${n}`, ...extra },
    });
    const [same, mixed] = [span(before), span(before + 1)];
    expect(same).toMatchObject({
      name: 'process a',
      kind: SpanKind.CONSUMER,
      links: [linkTo(0), linkTo(1)],
      attributes: {
        'messaging.system': 'memory',
        'messaging.destination.name': 'a',
        'messaging.batch.message_count': 2,
      },
    });
    const named = (n: number, topic: string): object => linkTo(n, { 'messaging.destination.name': topic });
    expect(mixed).toMatchObject({
      name: 'process',
      links: [named(0, 'a'), named(1, 'a'), named(2, 'b')],
      attributes: { 'messaging.batch.message_count': 3, 'error.type': 'TypeError' },
      status: { code: SpanStatusCode.ERROR },
    });
    const { points } = await metric('messaging.client.consumed.messages');
    expect(points.reduce((sum, { count }) => sum + count, 0)).toBe(3);
  });
});

describe('metrics', () => {
  test('count and time sent and processed events', async () => {
    const { bus, metric } = await traced();
    await bus.subscribe('a', () => Promise.reject(new RangeError('no')), { group: 'g' });
    await bus.subscribe('user.*', () => {});
    await bus.publish('a', 1);
    await bus.publish('user.created', 1);
    await bus.publish('user.deleted', 1);
    await bus.stop();
    await expect(bus.publish('a', 1)).rejects.toMatchObject({ code: 'EVENT_BUS_NOT_STARTED' });
    const of = (operation: string, more: object): object => ({
      'messaging.system': 'memory',
      'messaging.system.name': 'memory',
      'messaging.operation.name': operation,
      'messaging.operation.type': operation,
      ...more,
    });
    const sent = [
      { attributes: of('send', { 'messaging.destination.name': 'a' }), count: 1 },
      { attributes: of('send', { 'messaging.destination.name': 'user.created' }), count: 1 },
      { attributes: of('send', { 'messaging.destination.name': 'user.deleted' }), count: 1 },
      {
        attributes: of('send', {
          'messaging.destination.name': 'a',
          'error.type': 'EVENT_BUS_NOT_STARTED',
        }),
        count: 1,
      },
    ];
    expect(await metric('messaging.client.sent.messages')).toEqual({ unit: '{message}', points: sent });
    expect(await metric('messaging.client.operation.duration')).toEqual({ unit: 's', points: sent });
    const processed = [
      {
        attributes: of('process', {
          'messaging.destination.name': 'a',
          'messaging.consumer.group.name': 'g',
          'error.type': 'RangeError',
        }),
        count: 2,
      },
      { attributes: of('process', { 'messaging.destination.template': 'user.*' }), count: 2 },
    ];
    // Two attempts of the first event, and one of each of the others.
    const delivered = processed.map((one, i) => ({ ...one, count: [1, 2][i] }));
    expect(await metric('messaging.client.consumed.messages')).toEqual({
      unit: '{message}',
      points: delivered,
    });
    expect(await metric('messaging.process.duration')).toEqual({ unit: 's', points: processed });
  });

  test('use a provider that is registered after the middleware was created', async () => {
    const { meterProvider, tracerProvider, metric, spans } = telemetry();
    const bus = createEventBus({ middleware: openTelemetry(), logger });
    onTestFinished(() => bus.stop());
    await bus.start();
    trace.setGlobalTracerProvider(tracerProvider);
    metrics.setGlobalMeterProvider(meterProvider);
    onTestFinished(() => {
      trace.disable();
      metrics.disable();
    });
    await bus.publish('a', 1);
    expect(spans().map(({ name }) => name)).toEqual(['send a']);
    expect((await metric('messaging.client.sent.messages')).points).toMatchObject([{ count: 1 }]);
  });
});

test.each([
  [{ procesSpan: 'link' }, 'UNKNOWN_OPTION', 'procesSpan'],
  [{ processSpan: 'Link' }, 'INVALID_OPTION', 'processSpan'],
  [{ template: 'user.{id}' }, 'INVALID_OPTION', 'template'],
])('the options %j are refused', (options, code, option) => {
  expect(() => openTelemetry(options as OpenTelemetryOptions)).toThrow(
    expect.objectContaining({ code, option }) as Error,
  );
});

test('without an SDK, events pass unchanged', async () => {
  const bus = createEventBus({ middleware: openTelemetry(), logger });
  await bus.start();
  const seen: unknown[] = [];
  await bus.subscribe('a', ({ metadata }) => void seen.push(metadata));
  await bus.publish('a', 1, { metadata: { tenant: 't1' } });
  expect(seen).toEqual([{ tenant: 't1' }]);
  await bus.stop();
});
