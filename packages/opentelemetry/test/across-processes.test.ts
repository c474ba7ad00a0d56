import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { SpanKind, trace } from '@opentelemetry/api';
import { createEventBus } from '@polybus/core';
import { redisEngine } from '@polybus/engine-redis';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { openTelemetry } from '../src/index.ts';
import { telemetry } from './telemetry.ts';

interface PublishedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parent?: string;
}

const patience = { timeout: 60_000 };

describeWithBroker('redis', 'spans of two processes and a broker', ({ url }) => {
  const fixture = fileURLToPath(new URL('fixtures/publisher.ts', import.meta.url));

  /** Publishes in another process, and returns its spans. */
  async function publishElsewhere(keyPrefix: string): Promise<Map<string, PublishedSpan>> {
    const args = ['--import', 'tsx', '--conditions=@polybus/source', fixture, url, keyPrefix];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const spans = JSON.parse(stdout) as PublishedSpan[];
    return new Map(spans.map((span) => [span.name, span]));
  }

  test('are one trace: a process span in one process is a child of the send span in the other, at each attempt', async () => {
    const { tracerProvider, meterProvider, spans, metric } = telemetry();
    const keyPrefix = `t-${randomUUID()}:`;
    const engine = redisEngine({
      url,
      keyPrefix,
      mode: 'streams',
      retry: { attempts: 2, backoff: { initialMs: 0 } },
    });
    const bus = createEventBus({
      engines: [{ name: 'log', engine }],
      middleware: openTelemetry({ tracerProvider, meterProvider }),
      logger: { warn: () => {}, error: () => {} },
    });
    onTestFinished(() => bus.stop());
    // The reading of the stream begins in a span that has nothing to do with the events.
    await tracerProvider.getTracer('test').startActiveSpan('start', async (start) => {
      await bus.start();
      await bus.subscribe(
        'order.*',
        (_, { attempt }) => {
          tracerProvider.getTracer('test').startSpan(`work ${attempt}`).end();
          if (attempt === 1) throw new RangeError('once');
        },
        { group: 'billing' },
      );
      start.end();
    });

    const there = await publishElsewhere(keyPrefix);
    const request = there.get('POST /orders');
    const send = there.get('send order.placed');
    expect(send?.parent).toBe(request?.spanId);
    await expect
      .poll(() => spans().map(({ name }) => name), patience)
      .toEqual(['start', 'process order.placed', 'work 1', 'process order.placed', 'work 2']);
    const [, ...here] = spans();
    expect(new Set(here.map((span) => span.spanContext().traceId))).toEqual(new Set([request?.traceId]));
    const processed = here.filter(({ name }) => name === 'process order.placed');
    const creation = { traceId: send?.traceId, spanId: send?.spanId, isRemote: true };
    for (const span of processed) {
      expect(span).toMatchObject({
        kind: SpanKind.CONSUMER,
        parentSpanContext: creation,
        links: [{ context: creation }],
        attributes: {
          'messaging.system': 'redis',
          'messaging.message.id': 'o1',
          'messaging.consumer.group.name': 'billing',
        },
      });
    }
    expect(processed.map(({ attributes }) => attributes['error.type'])).toEqual(['RangeError', undefined]);
    const works = here.filter(({ name }) => name.startsWith('work'));
    expect(works.map((span) => span.parentSpanContext?.spanId)).toEqual(
      processed.map((span) => span.spanContext().spanId),
    );
    const { points } = await metric('messaging.process.duration');
    expect(points).toMatchObject([
      { attributes: { 'messaging.destination.template': 'order.*', 'error.type': 'RangeError' }, count: 1 },
      { attributes: { 'messaging.destination.template': 'order.*' }, count: 1 },
    ]);
    expect(trace.getActiveSpan()).toBeUndefined();
  }, 120_000);
});
