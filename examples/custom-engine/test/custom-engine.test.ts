import { createEventBus } from '@polybus/core';
import { expect, test, vi } from 'vitest';
import {
  type EventFilter,
  type EventMetrics,
  TopicPrefixFilter,
  customEngine,
  engines,
} from '../src/index.ts';

const context = { name: 'local', path: 'engines[0].config' };

test('a prefix filter passes its topics and counts the others', async () => {
  const engine = customEngine({ eventFilters: [{ type: 'topicPrefix', prefixes: ['user.', 'order.'] }] });
  await using bus = createEventBus({ engines: [{ name: 'local', engine }] });
  await bus.start();
  const seen: string[] = [];
  await bus.subscribe('*', ({ topic }) => void seen.push(topic));
  for (const topic of ['user.created', 'audit.read', 'order.placed', 'users']) await bus.publish(topic, {});
  expect(seen).toEqual(['user.created', 'order.placed']);
  expect(engine.metrics()).toMatchObject({
    totalEvents: 2,
    eventsPerTopic: { 'user.created': 1, 'order.placed': 1 },
    filteredPerFilter: { topicPrefix: 2 },
  });
});

test('a filter without prefixes passes everything', async () => {
  const engine = customEngine({ eventFilters: [{ type: 'topicPrefix', prefixes: [] }] });
  await engine.start();
  const seen: string[] = [];
  await engine.subscribe('*', ({ topic }) => void seen.push(topic));
  await engine.publish({ topic: 'anything', payload: 1 });
  expect(seen).toEqual(['anything']);
  await engine.stop();
});

test('an event is carried only if every filter lets it through', async () => {
  const noTests: EventFilter = {
    name: 'noTests',
    shouldProcess: ({ metadata }) => metadata['test'] !== true,
  };
  const engine = customEngine({ eventFilters: [new TopicPrefixFilter(['user.']), noTests] });
  await engine.start();
  const seen: unknown[] = [];
  await engine.subscribe('*', ({ payload }) => void seen.push(payload));
  await engine.publish({ topic: 'user.created', payload: 1, metadata: { test: true } });
  await engine.publish({ topic: 'user.created', payload: 2 });
  await engine.publish({ topic: 'order.placed', payload: 3 });
  expect(seen).toEqual([2]);
  expect(engine.metrics()?.filteredPerFilter).toEqual({ noTests: 1, topicPrefix: 1 });
  await engine.stop();
});

test('a dead letter passes every filter', async () => {
  const engine = customEngine({ eventFilters: [new TopicPrefixFilter(['user.'])] });
  await engine.start();
  const dead: unknown[] = [];
  await engine.subscribe('_dead.*', ({ payload }) => void dead.push(payload));
  const fail = (): never => {
    throw new Error('no');
  };
  await engine.subscribe('user.created', fail, { deadLetter: true });
  await engine.publish({ topic: 'user.created', payload: 1 });
  await expect.poll(() => dead, { timeout: 20_000 }).toEqual([1]);
  await engine.stop();
});

test('metrics contain the average time of the handlers, and start at zero after a reset', async () => {
  const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
  const engine = customEngine();
  await engine.start();
  expect(engine.metrics()?.averageProcessingTimeMs).toBe(0);
  await engine.subscribe<number>('work', ({ payload }) => {
    clock.mockReturnValue(performance.now() + payload);
    if (payload === 50) throw new Error('failed, but took its time');
  });
  for (const payload of [10, 30, 50]) await engine.publish({ topic: 'work', payload });
  expect(engine.metrics()).toMatchObject({ totalEvents: 3, averageProcessingTimeMs: 30 });
  engine.resetMetrics();
  expect(engine.metrics()).toMatchObject({ totalEvents: 0, eventsPerTopic: {}, averageProcessingTimeMs: 0 });
  clock.mockRestore();
  await engine.stop();
});

test('metrics are logged every metricsInterval while the engine runs', async () => {
  const logged: Partial<EventMetrics>[] = [];
  const bus = createEventBus({
    engines: [{ name: 'local', engine: customEngine({ metricsInterval: '1ms' }) }],
    logger: { info: (_, fields) => void logged.push(fields ?? {}), warn: () => {}, error: () => {} },
  });
  await bus.start();
  await bus.publish('user.created', {});
  await expect
    .poll(() => logged.at(-1), { timeout: 20_000 })
    .toMatchObject({ engine: 'local', totalEvents: 1 });
  await bus.stop();
});

test('an engine without metrics reports none, and calls handlers', async () => {
  const engine = customEngine({ enableMetrics: false });
  await engine.start();
  let count = 0;
  await engine.subscribe('a', () => void count++);
  await engine.publish({ topic: 'a', payload: 1 });
  engine.resetMetrics();
  expect(count).toBe(1);
  expect(engine.metrics()).toBeUndefined();
  await engine.stop();
});

test('a full engine drops and counts events', async () => {
  const engine = customEngine({ maxEventQueueSize: 1 });
  await engine.start();
  const { promise, resolve } = withResolver();
  await engine.subscribeAsync('a', () => promise);
  await engine.publish({ topic: 'a', payload: 1 });
  await engine.publish({ topic: 'a', payload: 2 });
  expect(engine.stats()).toMatchObject({ enqueued: 2, dropped: 1, pending: 1 });
  resolve();
  await engine.stop();
  expect(engine.stats()).toMatchObject({ enqueued: 2, dropped: 1, delivered: 1, pending: 0 });
});

test('a subscription with a full buffer drops its event, and other subscriptions get it', async () => {
  const engine = customEngine({ defaultEventBufferSize: 1 });
  await engine.start();
  const { promise, resolve } = withResolver();
  await engine.subscribeAsync('a', () => promise, { concurrency: 1 });
  const seen: unknown[] = [];
  await engine.subscribe('a', ({ payload }) => void seen.push(payload));
  await engine.publish({ topic: 'a', payload: 1 });
  await expect.poll(() => engine.stats().delivered, { timeout: 20_000 }).toBe(1);
  for (const payload of [2, 3]) await engine.publish({ topic: 'a', payload });
  expect(seen).toEqual([1, 2, 3]);
  expect(engine.stats()).toMatchObject({ enqueued: 6, dropped: 1, delivered: 3, pending: 2 });
  resolve();
  await engine.stop();
});

test('a configuration with mistakes is refused with all mistakes', () => {
  const config = { metricsInterval: 'soon', eventFilters: [{ type: 'regex' }], enableMetric: true };
  expect(() => engines['custom']?.(config, context)).toThrow(
    expect.objectContaining({
      code: 'INVALID_CONFIG',
      problems: [
        expect.objectContaining({ path: 'engines[0].config.metricsInterval' }),
        expect.objectContaining({ path: 'engines[0].config.eventFilters[0]' }),
        expect.objectContaining({ message: expect.stringContaining('did you mean "enableMetrics"?') }),
      ],
    }),
  );
});

test('a bus finds the engine by its type, without an import', async () => {
  await using bus = createEventBus({
    engines: [
      {
        name: 'local',
        type: 'custom',
        config: { eventFilters: [{ type: 'topicPrefix', prefixes: ['user.'] }], metricsInterval: 0 },
      },
    ],
  });
  await bus.start();
  expect(bus.router.engine('local').type).toBe('custom');
});

test('a bus with one engine passes on the fields that every engine has', async () => {
  await using bus = createEventBus({ engine: 'custom', workerCount: 1, defaultEventBufferSize: 3 });
  await bus.start();
  const { promise, resolve } = withResolver();
  let running = 0;
  await bus.subscribeAsync('a', async () => {
    running++;
    await promise;
  });
  for (const payload of [1, 2, 3, 4, 5]) await bus.publish('a', payload);
  await expect.poll(() => bus.stats().dropped, { timeout: 20_000 }).toBe(1);
  expect(running).toBe(1);
  resolve();
  await bus.stop();
  expect(running).toBe(4);
});

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
