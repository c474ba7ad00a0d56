import { createEventBus } from '@polybus/core';
import { durableMemoryEngine, memoryEngine } from '@polybus/engine-memory';
import { Counter, Registry, register as globalRegistry } from 'prom-client';
import { describe, expect, onTestFinished, test } from 'vitest';
import { PrometheusCollector } from '../src/index.ts';
import { laggingEngine, redelivering } from './lagging-engine.ts';
import { scrape } from './scrape.ts';

const patience = { timeout: 30_000 };
const logger = { warn: () => {}, error: () => {} };

async function twoEngines() {
  const bus = createEventBus({
    engines: [
      { name: 'local', engine: memoryEngine({ retry: { attempts: 2, backoff: { initialMs: 0 } } }) },
      { name: 'log', engine: durableMemoryEngine() },
    ],
    routing: [{ topics: ['log.*'], engine: 'log' }],
    logger,
  });
  onTestFinished(() => bus.stop());
  await bus.start();
  return bus;
}

describe('a scrape over HTTP', () => {
  test('shows the statistics of each engine and their sum, as counters with the names of the Go module', async () => {
    const bus = await twoEngines();
    const register = new Registry();
    using _ = new PrometheusCollector(bus, { register });
    await bus.subscribe('log.*', () => {});
    await bus.subscribe('bad', () => Promise.reject(new Error('no')), { deadLetter: true });
    await bus.publish('log.a', 1);
    await bus.publish('log.b', 1);
    await bus.publish('bad', 1);
    const { contentType, families, value } = await scrape(register);
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    const expected = [
      ['published_total', 2, 2],
      ['enqueued_total', 1, 2],
      ['delivered_total', 1, 2],
      ['dropped_total', 0, 0],
      ['failed_total', 1, 0],
      ['retried_total', 1, 0],
      ['dead_lettered_total', 1, 0],
      ['released_total', 0, 0],
    ] as const;
    for (const [name, local, log] of expected) {
      const full = `modular_eventbus_${name}`;
      expect([name, families.get(full)?.type]).toEqual([name, 'COUNTER']);
      expect([name, value(full, { engine: 'local' })]).toEqual([name, local]);
      expect([name, value(full, { engine: 'log' })]).toEqual([name, log]);
      expect([name, value(full, { engine: '_all' })]).toEqual([name, local + log]);
    }
    expect(families.get('modular_eventbus_pending')?.type).toBe('GAUGE');
    expect(value('modular_eventbus_pending', { engine: '_all' })).toBe(0);
    // Scrapes again, because counts must not add up over scrapes.
    expect((await scrape(register)).value('modular_eventbus_delivered_total', { engine: '_all' })).toBe(3);
  });

  test('shows what is pending and what was dropped', async () => {
    const bus = createEventBus({ engine: 'memory', defaultEventBufferSize: 1, logger });
    onTestFinished(() => bus.stop());
    await bus.start();
    const register = new Registry();
    using _ = new PrometheusCollector(bus, { register });
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    await bus.subscribeAsync('a', () => held, { concurrency: 1 });
    for (let n = 1; n <= 4; n++) {
      await bus.publish('a', n);
      await expect.poll(() => bus.stats().enqueued, patience).toBe(n);
    }
    const { value } = await scrape(register);
    expect(value('modular_eventbus_pending', { engine: 'default' })).toBe(2);
    expect(value('modular_eventbus_dropped_total', { engine: 'default' })).toBe(2);
    release();
  });

  test('never shows a decreasing counter, after a failed publish or a release', async () => {
    let fail!: (error: Error) => void;
    const engine = laggingEngine({
      lag: () => Promise.resolve([]),
      ping: () => Promise.resolve(),
      send: () => new Promise((_, reject) => (fail = reject)),
    });
    const bus = createEventBus({
      engines: [
        { name: 'far', engine },
        { name: 'log', engine: redelivering() },
      ],
      routing: [{ topics: ['log'], engine: 'log' }],
      logger,
    });
    onTestFinished(() => bus.stop());
    await bus.start();
    const register = new Registry();
    using _ = new PrometheusCollector(bus, { register });
    const publishing = bus.publish('a', 1);
    expect((await scrape(register)).value('modular_eventbus_published_total', { engine: 'far' })).toBe(0);
    fail(new Error('the broker is out'));
    await expect(publishing).rejects.toThrow('the broker is out');
    expect((await scrape(register)).value('modular_eventbus_published_total', { engine: 'far' })).toBe(0);

    const stream = bus.events('log');
    await stream.ready;
    await stream.next();
    const { value } = await scrape(register);
    expect(value('modular_eventbus_enqueued_total', { engine: 'log' })).toBe(1);
    expect(value('modular_eventbus_released_total', { engine: 'log' })).toBe(0);
    await stream.return();
    const after = (await scrape(register)).value;
    expect(after('modular_eventbus_enqueued_total', { engine: 'log' })).toBe(1);
    expect(after('modular_eventbus_released_total', { engine: 'log' })).toBe(1);
  });

  test('shows handler durations by subscription and outcome; a pattern is one series', async () => {
    const bus = await twoEngines();
    const register = new Registry();
    using _ = new PrometheusCollector(bus, { register, buckets: [1000] });
    await bus.subscribe('log.*', () => {}, { group: 'g' });
    await bus.subscribe('bad', () => Promise.reject(new Error('no')));
    for (const topic of ['log.a', 'log.b', 'log.c', 'bad']) await bus.publish(topic, 1);
    const { families, value } = await scrape(register);
    const name = 'modular_eventbus_handler_duration_seconds';
    expect(families.get(name)?.type).toBe('HISTOGRAM');
    const good = { engine: 'log', topic: 'log.*', group: 'g', outcome: 'success' };
    expect(value(`${name}_count`, good)).toBe(3);
    expect(value(`${name}_bucket`, { ...good, le: '1000' })).toBe(3);
    const bad = { engine: 'local', topic: 'bad', group: '', outcome: 'failure' };
    expect(value(`${name}_count`, bad)).toBe(2);
    expect(value(`${name}_sum`, bad)).toBeGreaterThan(0);
    expect(value(`${name}_count`, { ...good, topic: 'log.a' })).toBeUndefined();
  });

  test('shows the state of each engine', async () => {
    let ping = (): Promise<void> => Promise.resolve();
    let describe: () => object = () => ({});
    const lag = (): Promise<[]> => Promise.resolve([]);
    const engine = laggingEngine({ lag, ping: () => ping(), describe: () => describe() as never });
    const bus = createEventBus({
      engines: [
        { name: 'local', engine: memoryEngine() },
        { name: 'far', engine },
        { name: 'lazy', type: 'memory' },
      ],
      logger,
    });
    onTestFinished(() => bus.stop());
    const register = new Registry();
    using _ = new PrometheusCollector(bus, { register });
    const statusOf = async (name: string): Promise<string[]> => {
      const { value } = await scrape(register);
      return ['up', 'degraded', 'down'].filter(
        (status) => value('modular_eventbus_engine_status', { engine: name, status }) === 1,
      );
    };
    expect(await statusOf('local')).toEqual(['down']);
    expect(await statusOf('lazy')).toEqual(['down']);
    await bus.start();
    expect(await statusOf('local')).toEqual(['up']);
    expect(await statusOf('lazy')).toEqual(['up']);
    expect(await statusOf('far')).toEqual(['up']);
    describe = () => ({ status: 'degraded' });
    expect(await statusOf('far')).toEqual(['degraded']);
    describe = () => ({});
    ping = () => Promise.reject(new Error('the broker is out'));
    expect(await statusOf('far')).toEqual(['down']);
  });

  test('shows the consumer lag if the broker knows it', async () => {
    const lag = () =>
      Promise.resolve([
        { topic: 'a', group: 'g', partition: '0', events: 3, ms: 1500 },
        { topic: 'a', group: 'g', partition: '1', ms: 0 },
        { topic: 'b', events: 2 },
        { topic: 'b', events: 7 },
      ]);
    const engine = laggingEngine({ lag, ping: () => Promise.resolve() });
    const bus = createEventBus({
      engines: [
        { name: 'far', engine },
        { name: 'local', engine: memoryEngine() },
      ],
      logger,
    });
    onTestFinished(() => bus.stop());
    await bus.start();
    const register = new Registry();
    using _ = new PrometheusCollector(bus, { register });
    const { families, value } = await scrape(register);
    const first = { engine: 'far', topic: 'a', group: 'g', partition: '0' };
    expect(families.get('modular_eventbus_consumer_lag_events')?.type).toBe('GAUGE');
    expect(value('modular_eventbus_consumer_lag_events', first)).toBe(3);
    expect(value('modular_eventbus_consumer_lag_seconds', first)).toBe(1.5);
    expect(value('modular_eventbus_consumer_lag_seconds', { ...first, partition: '1' })).toBe(0);
    expect(value('modular_eventbus_consumer_lag_events', { ...first, partition: '1' })).toBeUndefined();
    const unnamed = { engine: 'far', topic: 'b', group: '', partition: '' };
    expect(value('modular_eventbus_consumer_lag_events', unnamed)).toBe(7);
  });

  test('does not wait for a broker that does not answer, and does not ask it again meanwhile', async () => {
    const asked = { lag: 0, ping: 0 };
    let answer!: () => void;
    const dead = new Promise<void>((resolve) => (answer = resolve));
    let isDead = true;
    const engine = laggingEngine({
      lag: async () => {
        asked.lag++;
        if (isDead) await dead;
        return [{ topic: 'a', events: 1 }];
      },
      ping: async () => {
        asked.ping++;
        if (isDead) await dead;
      },
    });
    const bus = createEventBus({ engines: [{ name: 'far', engine }], logger });
    onTestFinished(() => bus.stop());
    await bus.start();
    const register = new Registry();
    using _ = new PrometheusCollector(bus, { register, timeoutMs: 50 });
    const down = { engine: 'far', status: 'down' };
    for (let n = 0; n < 3; n++) {
      const { families, value } = await scrape(register);
      expect(value('modular_eventbus_engine_status', down)).toBe(1);
      expect(families.get('modular_eventbus_consumer_lag_events')?.metrics ?? []).toEqual([]);
      expect(value('modular_eventbus_delivered_total', { engine: 'far' })).toBe(0);
    }
    expect(asked).toEqual({ lag: 1, ping: 1 });
    isDead = false;
    answer();
    const series = { engine: 'far', topic: 'a', group: '', partition: '' };
    await expect
      .poll(
        async () => (await scrape(register)).value('modular_eventbus_consumer_lag_events', series),
        patience,
      )
      .toBe(1);
  });

  test('asks again if an answer never arrives, so that an engine that is back is up', async () => {
    let asked = 0;
    const engine = laggingEngine({
      lag: () => Promise.resolve([]),
      ping: () => (asked++ === 0 ? new Promise(() => {}) : Promise.resolve()),
    });
    const bus = createEventBus({ engines: [{ name: 'far', engine }], logger });
    onTestFinished(() => bus.stop());
    await bus.start();
    const register = new Registry();
    using _ = new PrometheusCollector(bus, { register, timeoutMs: 1 });
    const up = { engine: 'far', status: 'up' };
    await expect
      .poll(async () => (await scrape(register)).value('modular_eventbus_engine_status', up), patience)
      .toBe(1);
  });
});

describe('the registry', () => {
  test('accepts two buses with different namespaces, and removes the metrics at close', async () => {
    const [one, two] = [await twoEngines(), await twoEngines()];
    const register = new Registry();
    const other = new Counter({ name: 'other_total', help: 'Not ours.', registers: [register] });
    other.inc();
    const first = new PrometheusCollector(one, { register, namespace: 'one' });
    const second = new PrometheusCollector(two, { register, namespace: 'two' });
    await one.publish('log.a', 1);
    const { value } = await scrape(register);
    expect(value('one_published_total', { engine: '_all' })).toBe(1);
    expect(value('two_published_total', { engine: '_all' })).toBe(0);
    first.close();
    first.close();
    const names = [...(await scrape(register)).families.keys()];
    expect(names.some((name) => name.startsWith('one_'))).toBe(false);
    expect(names.filter((name) => name.startsWith('two_'))).toHaveLength(13);
    second.close();
    expect([...(await scrape(register)).families.keys()]).toEqual(['other_total']);
  });

  test('refuses a namespace in use, and the refused collector leaves nothing behind', async () => {
    const bus = await twoEngines();
    const register = new Registry();
    const first = new PrometheusCollector(bus, { register });
    expect(() => new PrometheusCollector(bus, { register })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', option: 'namespace' }) as Error,
    );
    const pending = new Counter({ name: 'x_pending', help: 'In the way.', registers: [register] });
    expect(() => new PrometheusCollector(bus, { register, namespace: 'x' })).toThrow('x_pending');
    expect(register.getMetricsAsArray().filter(({ name }) => name.startsWith('x_'))).toEqual([pending]);
    first.close();
    using again = new PrometheusCollector(bus, { register });
    expect(again).toBeDefined();
  });

  test('is the default registry of prom-client if none is given', async () => {
    const bus = await twoEngines();
    const collector = new PrometheusCollector(bus);
    expect(globalRegistry.getSingleMetric('modular_eventbus_delivered_total')).toBeDefined();
    collector.close();
    expect(globalRegistry.getMetricsAsArray()).toEqual([]);
  });

  test('can use the OpenMetrics format', async () => {
    const bus = await twoEngines();
    const register = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>();
    register.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    const collector = new PrometheusCollector(bus, { register });
    const text = await register.metrics();
    expect(text).toContain('# TYPE modular_eventbus_delivered counter\n');
    expect(text).toContain('modular_eventbus_delivered_total{engine="_all"} 0\n');
    collector.close();
    expect(register.getMetricsAsArray()).toEqual([]);
  });
});

test('handlers are timed only while a collector exists', async () => {
  const bus = await twoEngines();
  let timed = 0;
  const observed = { router: bus.router, observeAttempts: () => (timed++, () => void timed--) };
  const collector = new PrometheusCollector(observed, { register: new Registry() });
  expect(timed).toBe(1);
  collector.close();
  expect(timed).toBe(0);
});

test('an option that there is not is refused', async () => {
  const bus = await twoEngines();
  const register = new Registry();
  expect(() => new PrometheusCollector(bus, { registry: register } as object)).toThrow(
    expect.objectContaining({
      code: 'UNKNOWN_OPTION',
      message: expect.stringContaining('did you mean "register"?') as string,
    }) as Error,
  );
});

test.each([
  ['namespace', { namespace: 'has-dash' }],
  ['namespace', { namespace: '' }],
  ['namespace', { namespace: '1st' }],
  ['buckets', { buckets: [] }],
  ['buckets', { buckets: [1, 1] }],
  ['buckets', { buckets: [0, 1] }],
  ['buckets', { buckets: [1, Number.NaN] }],
  ['timeoutMs', { timeoutMs: 0 }],
  ['timeoutMs', { timeoutMs: Number.POSITIVE_INFINITY }],
])('a wrong option %s is refused: %o', async (option, options) => {
  const bus = await twoEngines();
  const register = new Registry();
  expect(() => new PrometheusCollector(bus, { register, ...options })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION', option }) as Error,
  );
  expect(register.getMetricsAsArray()).toEqual([]);
});
