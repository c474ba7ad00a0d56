import { type EventBusOptions, type PublishMiddleware, createEventBus, forTenant } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { memoryEngine } from '@polybus/engine-memory';
import * as v from 'valibot';
import { expect, onTestFinished, test, vi } from 'vitest';
import { HandTransport, handEngine } from '../hand-engine.ts';
import { quietLogger } from '../quiet-logger.ts';

async function startedBus(options: EventBusOptions = {}) {
  const bus = createEventBus({ logger: quietLogger(), ...options });
  onTestFinished(() => bus.stop());
  await bus.start();
  return bus;
}

const twoEngines = (hand: Engine): EventBusOptions => ({
  engines: [
    { name: 'local', engine: memoryEngine() },
    { name: 'hand', engine: hand },
  ],
  routing: [{ topics: ['hand.*'], engine: 'hand' }],
});

test.each<[string, EventBusOptions]>([
  ['the default engine', {}],
  ['two engines', twoEngines(handEngine(new HandTransport()))],
  ['middleware', { middleware: { publish: [({ event, next }) => next({ ...event, key: 'changed' })] } }],
])('each form of publish delays its event, on a bus with %s', async (_, options) => {
  const bus = await startedBus(options);
  const seen: unknown[] = [];
  const created: number[] = [];
  await bus.subscribe('a', ({ payload, createdAt }) => {
    seen.push(payload);
    created.push(createdAt.getTime());
  });
  // In one turn of the event loop, so that no delay is over before the last event is published.
  await Promise.all([
    bus.publish('a', 'topic and payload', { delayMs: 30, key: 'k' }),
    bus.publish({ topic: 'a', payload: 'event', key: 'k' }, { at: new Date(Date.now() + 60) }),
    forTenant(bus, 'acme').publish('a', 'tenant', { delayMs: 100, key: 'k' }),
    bus.publish('a', 'at once'),
  ]);
  expect(seen).toEqual(['at once']);
  const published = Date.now();
  await expect.poll(() => seen).toEqual(['at once', 'topic and payload', 'event', 'tenant']);
  expect(Math.max(...created)).toBeLessThanOrEqual(published);
});

test('an engine that does not declare the capability `delay` refuses the options, and gets no event', async () => {
  const transport = new HandTransport();
  const send = vi.fn<() => Promise<void>>(() => Promise.resolve());
  transport.onSend = send;
  const bus = await startedBus(twoEngines(handEngine(transport)));
  expect(bus.capabilities.delay).toBe(false);
  const refusal = { code: 'UNSUPPORTED_CAPABILITY', engine: 'hand', option: 'delayMs' };
  await expect(bus.publish('hand.a', 1, { delayMs: 5 })).rejects.toMatchObject(refusal);
  expect(send).not.toHaveBeenCalled();
});

test('an engine that was not made by createEngine and knows no delays is not asked to publish', async () => {
  const engine = memoryEngine();
  const publish = vi.spyOn(engine, 'publish');
  const { delay: _, ...capabilities } = engine.capabilities;
  Object.defineProperty(engine, 'capabilities', { value: capabilities });
  const bus = await startedBus({ engines: [{ name: 'old', engine }] });
  const refusal = { code: 'UNSUPPORTED_CAPABILITY', engine: 'old', option: 'at' };
  await expect(bus.publish('a', 1, { at: new Date() })).rejects.toMatchObject(refusal);
  expect(publish).not.toHaveBeenCalled();
});

test('invalid delays are refused before middleware runs', async () => {
  const middleware = vi.fn<PublishMiddleware>();
  const bus = await startedBus({ middleware: { publish: [middleware] } });
  const call = bus.publish('a', 1, { delayMs: 5, at: new Date() });
  await expect(call).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'at' });
  expect(middleware).not.toHaveBeenCalled();
});

test('the schema and the middleware of a delayed event run when it is published, not when it is due', async () => {
  const calls: string[] = [];
  const middleware: PublishMiddleware = ({ event, next }) => {
    calls.push(`middleware for ${String(event.payload)}`);
    return next(event);
  };
  const schemas = { a: v.number() };
  const bus = await startedBus({ schemas, middleware: { publish: [middleware] } });
  await bus.subscribe('a', ({ payload }) => void calls.push(`handler for ${String(payload)}`));
  const wrong = bus.publish({ topic: 'a', payload: 'wrong' }, { delayMs: 60_000 });
  await expect(wrong).rejects.toMatchObject({ code: 'SCHEMA_VALIDATION' });
  await bus.publish({ topic: 'a', payload: 1 }, { delayMs: 30 });
  expect(calls).toEqual(['middleware for 1']);
  await expect.poll(() => calls).toEqual(['middleware for 1', 'handler for 1']);
});

test('health() reports how many events wait, and stop() logs how many are lost', async () => {
  const logger = quietLogger();
  const bus = createEventBus({ logger });
  await bus.start();
  await bus.publish('a', 1, { delayMs: 60_000 });
  await bus.publish('a', 2, { at: new Date(Date.now() + 60_000) });
  const engines = { default: { details: { delayed: 2 } } };
  await expect(bus.health()).resolves.toMatchObject({ status: 'up', details: { engines } });
  await bus.stop();
  expect(logger.lines.map(({ message }) => message)).toEqual([
    expect.stringContaining('2 delayed event(s) are lost'),
  ]);
});
