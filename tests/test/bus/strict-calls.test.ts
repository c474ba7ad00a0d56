import {
  type EventBusOptions,
  type NewEvent,
  type Observer,
  createEventBus,
  forTenant,
  loadConfig,
  tenantMiddleware,
} from '@polybus/core';
import { EventBusModule } from '@polybus/core/module';
import { memoryEngine } from '@polybus/engine-memory';
import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { quietLogger } from './quiet-logger.ts';

async function startedBus(options: EventBusOptions = {}) {
  const bus = createEventBus({ logger: quietLogger(), ...options });
  onTestFinished(() => bus.stop());
  await bus.start();
  return bus;
}

const twoEngines: EventBusOptions = {
  engines: [
    { name: 'left', engine: memoryEngine() },
    { name: 'right', engine: memoryEngine() },
  ],
  routing: [{ topics: ['a.*'], engine: 'left' }],
};

describe('an unknown option is refused, with the nearest name', () => {
  test.each([[{}], [twoEngines]])('on a bus: %#', async (config) => {
    const bus = await startedBus(config);
    const handler = (): void => {};
    const refused = (call: Promise<unknown>, option: string, text: string) =>
      expect(call).rejects.toMatchObject({
        code: 'UNKNOWN_OPTION',
        option,
        message: expect.stringContaining(text) as string,
      });
    await refused(bus.subscribe('*', handler, { retries: 3 } as object), 'retries', 'did you mean "retry"?');
    await refused(
      bus.subscribeAsync('a', handler, { delay: 3 } as object),
      'delay',
      'the options are signal, group',
    );
    const retry = { attempt: 3 } as object;
    await refused(bus.subscribe('a', handler, { retry }), 'retry.attempt', 'did you mean "attempts"?');
    const backoff = { max: 3 } as object;
    await refused(bus.subscribe('a', handler, { retry: { backoff } }), 'retry.backoff.max', '"maxMs"');
    await expect(bus.subscribe('a', handler, { retry: [] as object })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'retry',
    });
    await refused(
      bus.publish('a', 1, { when: 3 } as object),
      'when',
      'the options are signal, delayMs, at, id',
    );
    await refused(
      bus.publish('a', 1, { partitionKey: 'k' } as object),
      'partitionKey',
      'did you mean "key"?',
    );
    await refused(
      bus.publish({ topic: 'a', payload: 1 }, { key: 'k' } as object),
      'key',
      'the options are signal',
    );
    await refused(bus.events('a', { buffer: 3 } as object).ready, 'buffer', 'did you mean "bufferSize"?');
    await refused(bus.start({ timeout: 3 } as object), 'timeout', 'the options are signal');
    await refused(bus.stop({ timeout: 3 } as object), 'timeout', 'did you mean "timeoutMs"?');
    await refused(bus.drain({ timeout: 3 } as object), 'timeout', 'did you mean "timeoutMs"?');
    await refused(bus.redrive('a', { max: 3 } as object), 'max', 'the options are');
    await refused(
      forTenant(bus, 'acme').subscribe('a', handler, { groups: 'x' } as object),
      'groups',
      '"group"',
    );
    await refused(loadConfig({ prefix: 'APP_' } as object), 'prefix', 'did you mean "envPrefix"?');
    expect(bus.topics()).toEqual([]);
    expect(bus.stats().published).toBe(0);
    await bus.publish('a', 1);
  });

  test('unknown fields of an event are refused, and a received event can be published again', async () => {
    const bus = await startedBus();
    const misspelt = { topic: 'a', payload: 1, kye: 'k' } as never;
    await expect(bus.publish(misspelt)).rejects.toThrow(
      'kye is not a field of an event; did you mean "key"?',
    );
    const seen: unknown[] = [];
    await bus.subscribe('a', (event) =>
      bus.publish({ ...event, processingStarted: event.processingStarted, topic: 'b' } as NewEvent),
    );
    await bus.subscribe('b', ({ payload }) => void seen.push(payload));
    await bus.publish('a', 1);
    expect(seen).toEqual([1]);
  });

  test('a stream rejects a concurrency, because it hands out one event at a time', async () => {
    const bus = await startedBus();
    await expect(bus.events('a', { concurrency: 5 }).ready).rejects.toThrow(
      'a stream delivers one event at a time',
    );
  });
});

describe('invalid options and observers', () => {
  test('an array is refused as options', async () => {
    const bus = await startedBus();
    const refused = { code: 'INVALID_OPTION' };
    const none = [] as object;
    await expect(bus.subscribe('a', () => {}, none)).rejects.toMatchObject(refused);
    await expect(bus.publish('a', 1, none)).rejects.toMatchObject(refused);
    await expect(bus.redrive('a', none)).rejects.toMatchObject(refused);
    await expect(bus.stop(none)).rejects.toMatchObject(refused);
    await expect(bus.events('a', null as unknown as object).ready).rejects.toMatchObject(refused);
    await expect(forTenant(bus, 'acme').publish(null as never)).rejects.toMatchObject({
      code: 'INVALID_EVENT',
    });
  });

  test('the options of tenantMiddleware are checked', () => {
    const make = (options: object) => () => tenantMiddleware(options);
    expect(make({ requierd: false })).toThrow('did you mean "required"?');
    expect(make({ required: 'no' })).toThrow('expected true or false, got "no"');
  });

  test('the view of a tenant redrives for no other tenant', async () => {
    const view = forTenant(await startedBus(), 'acme');
    await expect(view.redrive('a', { tenant: 'globex' } as object)).rejects.toMatchObject({
      code: 'INVALID_TENANT',
    });
    await expect(view.redrive('a', [] as object)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    await expect(view.subscribe('a', () => {}, [] as object)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    });
  });

  test.each([{ signal: 5 }, { timeoutMs: 'long' }])(
    'drain() and stop() with %j are refused, and the bus works on',
    async (options) => {
      const reported: string[] = [];
      const bus = await startedBus({ observers: [({ type }) => void reported.push(type)] });
      const seen: unknown[] = [];
      await bus.subscribe('a', ({ payload }) => void seen.push(payload));
      const stream = bus.events('b');
      await stream.ready;
      const engine = bus.router.engine('default');
      const refused = { code: 'INVALID_OPTION' };
      for (const one of [bus, engine]) {
        await expect(one.drain?.(options as object)).rejects.toMatchObject(refused);
        await expect(one.stop(options as object)).rejects.toMatchObject(refused);
      }
      await bus.start();
      await bus.publish('a', 1);
      expect(seen).toEqual([1]);
      await bus.publish('b', 2);
      expect(await stream.next()).toMatchObject({ value: { payload: 2 } });
      await stream.return();
      expect(reported.some((type) => type.endsWith('bus.stopped'))).toBe(false);
    },
  );

  test('an observer that is not a function is refused', async () => {
    const bus = await startedBus();
    const refused = expect.objectContaining({ code: 'INVALID_OPTION', option: 'observer' }) as Error;
    expect(() => bus.observe(5 as unknown as Observer)).toThrow(refused);
    expect(() => bus.observeAttempts(undefined as unknown as () => void)).toThrow(refused);
  });
});

describe('the configuration of a bus', () => {
  const problemsOf = (options: object): unknown => {
    try {
      createEventBus(options);
    } catch (error) {
      return (error as { problems?: unknown }).problems;
    }
    return 'no error';
  };

  test.each([
    [{ schemas: { a: { parse: () => 1 } } }, 'schemas["a"]', 'expected a Standard Schema'],
    [{ schemas: { a: null } }, 'schemas["a"]', 'expected a Standard Schema'],
    [{ schemas: { 'a.*': z.string() } }, 'schemas["a.*"]', 'belongs to one topic, not to a pattern'],
    [{ middleware: { handlers: [] } }, 'middleware.handlers', 'the fields are publish, handle'],
    [{ middleware: { handle: () => {} } }, 'middleware.handle', 'expected a list of functions'],
    [{ middleware: [() => {}] }, 'middleware', 'expected an object { publish, handle }'],
    [{ logger: { log: () => {} } }, 'logger', 'as console is one'],
    [{ observers: [1] }, 'observers[0]', 'expected a function, got 1'],
    [{ onUndecodable: 'drop' }, 'onUndecodable', 'expected a function, got "drop"'],
    [{ shemas: {} }, 'shemas', 'did you mean "schemas"?'],
    [{ wokerCount: 1 }, 'wokerCount', 'did you mean "workerCount"?'],
  ])('is checked when the bus is created: %j', (options, path, message) => {
    expect(problemsOf(options)).toMatchObject([
      { path, message: expect.stringContaining(message) as string },
    ]);
  });

  test.each([
    ['a list of engines', [{ name: 'm', type: 'memory' }], 'got an array'],
    ['an empty list', [], 'got an array'],
    ['a promise of loadConfig()', Promise.resolve({ engine: 'memory' }), 'await the promise of loadConfig()'],
    ['a Map', new Map([['engine', 'memory']]), 'got an object of Map'],
    ['a number', 5, 'got 5'],
    ['null', null, 'got null'],
  ])('is an object, not %s', (_, options, message) => {
    const refused = expect.objectContaining({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining(message) as string,
    }) as Error;
    expect(() => createEventBus(options as object)).toThrow(refused);
    expect(() => new EventBusModule(options as object)).toThrow(refused);
    expect(() => memoryEngine(options as object)).toThrow(/expected an object|there is no field "0"/);
  });

  test.each([
    ['code', { code: [] }],
    ['env', { env: null }],
    ['envPrefix', { envPrefix: 5 }],
  ])('the option %s of loadConfig is checked', async (option, options) => {
    await expect(loadConfig(options as object)).rejects.toMatchObject({ code: 'INVALID_OPTION', option });
  });

  test('accepts schemas of zod, valibot and arktype', () => {
    expect(createEventBus({ schemas: { a: z.string(), b: v.string(), c: type('string') } }).type).toBe('bus');
  });
});

describe('a concurrency beyond workerCount', () => {
  test('has no effect, and the bus logs that at subscribe', async () => {
    const logger = quietLogger();
    const bus = await startedBus({ engine: 'durable-memory', workerCount: 3, logger });
    let running = 0;
    let most = 0;
    const handler = async (): Promise<void> => {
      most = Math.max(most, ++running);
      await new Promise(setImmediate);
      running--;
    };
    await bus.subscribeAsync('a', handler, { concurrency: 50 });
    const [{ level, message } = { level: '', message: '' }] = logger.lines;
    expect(level).toBe('warn');
    expect(message).toMatch(
      /"a" has a concurrency of 50, but at most 3 handlers run at once.*Raise workerCount/,
    );
    for (let n = 0; n < 20; n++) await bus.publish('a', n);
    await expect.poll(() => bus.stats().pending).toBe(0);
    expect(most).toBe(3);
    await bus.subscribeAsync('b', handler, { concurrency: 3 });
    await bus.subscribe('c', handler);
    expect(logger.lines).toHaveLength(1);
  });
});
