import {
  type ConfigProblem,
  type Event,
  type EventBus,
  InvalidConfigError,
  lifecycleEventTypes,
} from '@polybus/core';
import {
  type ConfigSection,
  EventBusModule,
  type ModuleEvent,
  type ModuleHost,
  moduleName,
  serviceName,
} from '@polybus/core/module';
import { memoryEngine } from '@polybus/engine-memory';
import { describe, expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { quietLogger } from '../bus/quiet-logger.ts';

function startedModule(...args: ConstructorParameters<typeof EventBusModule>): Promise<EventBusModule> {
  return started(new EventBusModule({ logger: quietLogger(), ...args[0] }));
}

async function started<M extends EventBusModule>(module: M, host?: ModuleHost): Promise<M> {
  onTestFinished(() => module.stop());
  module.init(host);
  await module.start();
  return module;
}

const hostWith = (section: unknown): ModuleHost => ({ configSection: () => section });

describe('the module in a host', () => {
  test('has the name eventbus, needs nothing, and provides the bus', async () => {
    const module = new EventBusModule();
    expect([module.name, moduleName]).toEqual(['eventbus', 'eventbus']);
    expect(module.dependencies()).toEqual([]);
    expect(module.requiresServices()).toEqual([]);
    const [service] = module.providesServices();
    expect(service).toMatchObject({ name: 'eventbus.provider', description: expect.any(String) as string });
    expect(serviceName).toBe('eventbus.provider');
    module.init();
    expect(service!.instance).toBe(module.bus);
    expect(module.getRegisteredEventTypes()).toEqual([...lifecycleEventTypes]);
  });

  test('reports where the mistake in the fields of an engine comes from, before the start or at the start', async () => {
    const section = { engine: 'redis', externalBrokerURL: 'http://h' };
    const starting = started(new EventBusModule({ logger: quietLogger() }), hostWith(section));
    await expect(starting).rejects.toThrow('externalBrokerURL (from section "eventbus"): expected a URL');
  });

  test('can be constructed by the host when its services exist', async () => {
    const observed: string[] = [];
    const factory = new EventBusModule({
      observers: [({ type }) => void observed.push(type)],
    }).moduleConstructor();
    await started(factory({}, {}));
    expect(observed).toContain('com.modular.eventbus.bus.started');
  });

  test('registers its section with defaults, and a check for the host', () => {
    const sections = new Map<string, ConfigSection>();
    const host: ModuleHost = { registerConfigSection: (name, section) => void sections.set(name, section) };
    new EventBusModule().registerConfig(host);
    expect([...sections.keys()]).toEqual(['eventbus']);
    expect(sections.get('eventbus')!.defaults).toEqual({
      engine: 'memory',
      maxEventQueueSize: 1000,
      defaultEventBufferSize: 10,
      workerCount: 5,
      eventTTL: '1h',
      retentionDays: 7,
    });
    const module = new EventBusModule({ config: { workerCount: 2, source: '/app' } });
    module.registerConfig(host);
    const { defaults, check } = sections.get('eventbus')!;
    expect(defaults).toEqual({ workerCount: 2, source: '/app' });
    check({ workerCount: 3 });
    check(undefined);
    expect(() => check({ workerCount: 0 })).toThrow(InvalidConfigError);
    // A host without sections is valid too.
    module.registerConfig({});
  });

  test('has the registered defaults if its host has no section', async () => {
    const { bus } = await started(new EventBusModule({ logger: quietLogger() }));
    expect(bus.config.engines).toMatchObject([
      { type: 'memory', config: { eventTTL: '1h', retentionDays: 7 } },
    ]);
  });

  test.each([
    [{ engine: 'durable-memory' }, {}],
    [{ engine: 'durable-memory', workerCount: 5 }, { workerCount: 5 }],
    // As an application has it that merges what its sources say into the defaults.
    [
      {
        engine: 'durable-memory',
        maxEventQueueSize: 1000,
        defaultEventBufferSize: 10,
        workerCount: 7,
        eventTTL: '1h',
        retentionDays: 7,
      },
      { workerCount: 7 },
    ],
  ])('does not apply the defaults of the memory engine to another engine: %j', async (section, config) => {
    const logger = quietLogger();
    const { bus } = await started(new EventBusModule({ logger }), hostWith(section));
    expect(bus.config.engines).toEqual([{ name: 'default', type: 'durable-memory', config }]);
    expect(logger.lines).toEqual([]);
  });

  test('overrides its own configuration with the section of its host, field by field', async () => {
    const module = new EventBusModule({ config: { workerCount: 2, source: '/module' } });
    module.init(hostWith({ source: '/host', engine: 'durable-memory' }));
    expect(module.bus.config).toMatchObject({
      engines: [{ type: 'durable-memory', config: { workerCount: 2 } }],
      source: '/host',
    });
    const given = new EventBusModule({ config: { engines: [{ name: 'a', engine: memoryEngine() }] } });
    given.init(hostWith(undefined));
    expect(given.bus.config.defaultEngine).toBe('a');
  });

  test.each<[unknown, string, string | undefined]>([
    [{ wokerCount: 1 }, 'wokerCount', 'section "eventbus"'],
    [{ engine: 'memory', retentionDays: 0 }, 'retentionDays', 'section "eventbus"'],
    ['memory', 'eventbus', undefined],
    [['memory'], 'eventbus', undefined],
    [null, 'eventbus', undefined],
  ])('refuses the section %j at init', (section, path, source) => {
    let problems: readonly ConfigProblem[] = [];
    try {
      new EventBusModule().init(hostWith(section));
    } catch (error) {
      ({ problems } = error as InvalidConfigError);
    }
    expect(problems.map((problem) => [problem.path, problem.source])).toEqual([[path, source]]);
  });

  test('gives the bus the logger of its host, unless it has its own', async () => {
    const [hosts, own] = [quietLogger(), quietLogger()];
    for (const [options, logger] of [
      [{}, hosts],
      [{ logger: own }, own],
    ] as const) {
      const module = await started(new EventBusModule(options), { logger: hosts });
      await module.subscribe('a', () => {
        throw new Error('no');
      });
      await module.publish('a', 1);
      await module.stop();
      expect(logger.lines.length).toBe(1);
    }
  });

  test('passes on schemas and middleware, and ignores a second init', async () => {
    const module = new EventBusModule({
      logger: quietLogger(),
      schemas: { a: z.object({ n: z.number() }) },
      middleware: { publish: [({ event, next }) => next({ ...event, metadata: { by: 'middleware' } })] },
    });
    await started(module);
    const { bus } = module;
    module.init(hostWith({ engine: '' }));
    expect(module.bus).toBe(bus);
    const seen: unknown[] = [];
    await module.subscribe('a', ({ metadata }) => void seen.push(metadata));
    await module.publish('a', { n: 1 });
    await expect(module.publish('a', { n: 'one' })).rejects.toMatchObject({ code: 'SCHEMA_VALIDATION' });
    expect(seen).toEqual([{ by: 'middleware' }]);
  });
});

describe('the module as an event bus', () => {
  test('publishes, subscribes and counts, and can replace a bus', async () => {
    const module = await startedModule();
    const bus: EventBus = module;
    const seen: unknown[] = [];
    const record = ({ payload }: Event): void => void seen.push(payload);
    const subscription = await bus.subscribe('order.*', record);
    await bus.subscribeAsync('order.placed', record);
    await bus.publish({ topic: 'order.placed', payload: 1 });
    await module.publish('order.paid', 2, { key: 'k' });
    await expect.poll(() => seen.length).toBe(3);
    expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual([1, 1, 2]);
    expect(bus.topics().toSorted()).toEqual(['order.*', 'order.placed']);
    expect(bus.subscriberCount('order.placed')).toBe(2);
    expect(module.router.engineFor('order.placed')).toBe('default');
    expect(module.stats()).toMatchObject({ published: 2, delivered: 3 });
    expect(module.statsPerEngine()).toEqual({ default: module.stats() });
    await bus.unsubscribe(subscription);
    expect(bus.topics()).toEqual(['order.placed']);
  });

  test('collects metrics, and counts each subscriber once', async () => {
    const module = await startedModule();
    for (const topic of ['order.*', 'order.*', '*', 'order.placed', 'user.created'])
      await module.subscribe(topic, () => {});
    await module.publish('order.placed', 1);
    expect(module.collectMetrics()).toEqual({
      name: 'eventbus',
      values: {
        published_count: 1,
        delivered_count: 4,
        dropped_count: 0,
        pending_count: 0,
        failed_count: 0,
        retried_count: 0,
        dead_lettered_count: 0,
        topic_count: 4,
        subscriber_count: 5,
      },
    });
  });

  test('rejects calls before init, and counts nothing', async () => {
    const module = new EventBusModule();
    const refused = { code: 'EVENT_BUS_NOT_STARTED' };
    await expect(module.publish('a', 1)).rejects.toMatchObject(refused);
    await expect(module.subscribe('a', () => {})).rejects.toMatchObject(refused);
    await expect(module.subscribeAsync('a', () => {})).rejects.toMatchObject(refused);
    await expect(module.unsubscribe({} as never)).rejects.toMatchObject(refused);
    await expect(module.start()).rejects.toMatchObject({ code: 'MODULE_NOT_INITIALIZED' });
    expect(() => module.router).toThrow(/call init\(host\) first/);
    expect(() => module.providesServices()[0]!.instance).toThrow(/call init\(host\) first/);
    expect(module.topics()).toEqual([]);
    expect(module.subscriberCount('a')).toBe(0);
    expect(module.stats()).toMatchObject({ delivered: 0, dropped: 0 });
    expect(module.statsPerEngine()).toEqual({});
    expect(module.collectMetrics().values).toMatchObject({ delivered_count: 0, topic_count: 0 });
    await module.preStop();
    await module.stop();
  });

  test('has idempotent start and stop, and can start again', async () => {
    await using module = new EventBusModule();
    module.init();
    await module.start();
    await module.start();
    await module.preStop();
    await module.stop();
    await module.stop();
    await module.start();
    await module.publish('a', 1);
    expect((await module.bus.health()).status).toBe('up');
  });
});

describe('preStop', () => {
  test('lets handlers finish, with the events that they publish, and accepts nothing new', async () => {
    const module = await startedModule();
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const seen: unknown[] = [];
    await module.subscribe('second', ({ payload }) => void seen.push(payload));
    await module.subscribeAsync('first', async ({ payload }) => {
      await gate;
      await module.publish('second', payload);
    });
    await module.publish('first', 1);
    await expect.poll(() => module.stats().pending).toBe(1);
    const draining = module.preStop();
    await expect(module.publish('second', 'late')).rejects.toMatchObject({ code: 'EVENT_BUS_NOT_STARTED' });
    open();
    await draining;
    expect(seen).toEqual([1]);
    await module.stop();
    expect(module.stats()).toMatchObject({ delivered: 2, dropped: 0, pending: 0 });
  });

  test('does not wait for a stream without a reader, and its error names unfinished work', async () => {
    const module = await startedModule();
    const events = module.bus.events('a');
    await expect.poll(() => module.subscriberCount('a')).toBe(1);
    await module.publish('a', 1);
    await module.preStop();
    await events.return?.();
    await module.stop();
    await module.start();
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    await module.subscribeAsync('b', () => gate);
    await module.publish('b', 1);
    await expect.poll(() => module.stats().pending).toBe(1);
    await expect(module.preStop({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'SHUTDOWN_TIMEOUT' });
    open();
    await module.stop();
    // The events that nobody requested from the stream.
    expect(module.stats()).toMatchObject({ delivered: 1, dropped: 1, pending: 0 });
  });
});

describe('observers', () => {
  test('of the host get the lifecycle events, whether they are registered before or after init', async () => {
    for (const isEarly of [true, false]) {
      const told: ModuleEvent[] = [];
      const subject = { notifyObservers: (event: ModuleEvent) => void told.push(event) };
      const module = new EventBusModule({ logger: quietLogger(), config: { source: '/app' } });
      onTestFinished(() => module.stop());
      if (isEarly) module.registerObservers(subject);
      module.init();
      if (!isEarly) module.registerObservers(subject);
      // Twice is once.
      module.registerObservers(subject);
      await module.start();
      await module.stop();
      expect(told.map(({ type }) => type.split('.').slice(-2).join('.'))).toEqual([
        'config.loaded',
        'bus.started',
        'bus.stopped',
      ]);
      expect(told[0]).toMatchObject({ specversion: '1.0', source: '/app' });
    }
  });

  test('get events that the module emits; without a subject, emitting rejects', async () => {
    const module = await startedModule();
    const event: ModuleEvent = { specversion: '1.0', id: '1', source: '/app', type: 'com.example.done' };
    await expect(module.emitEvent(event)).rejects.toMatchObject({
      code: 'NO_SUBJECT_FOR_EVENT_EMISSION',
      message: expect.stringContaining('"com.example.done"') as string,
    });
    const told: ModuleEvent[] = [];
    module.registerObservers({ notifyObservers: async (one) => void told.push(one) });
    await module.emitEvent(event);
    expect(told).toEqual([event]);
  });

  test('that fail affect nothing else', async () => {
    const logger = quietLogger();
    const module = new EventBusModule({ logger });
    module.registerObservers({ notifyObservers: () => Promise.reject(new Error('bad observer')) });
    await started(module);
    const seen: unknown[] = [];
    await module.subscribe('a', ({ payload }) => void seen.push(payload));
    await module.publish('a', 1);
    expect(seen).toEqual([1]);
    await expect.poll(() => logger.lines.map(({ message }) => message)).toContain('an observer failed');
  });
});
