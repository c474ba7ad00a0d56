import {
  type ConfigProblem,
  InvalidConfigError,
  type EventBusConfig,
  createEventBus,
  parseConfig,
} from '@polybus/core';
import { EventBusModule } from '@polybus/core/module';
import { durableMemoryEngine, memoryEngine } from '@polybus/engine-memory';
import { describe, expect, test } from 'vitest';

function problemsOf(make: () => unknown): readonly ConfigProblem[] {
  try {
    make();
  } catch (error) {
    if (error instanceof InvalidConfigError) return error.problems;
    throw error;
  }
  throw new Error('expected the configuration to be refused');
}

const parse = (config: unknown) => () => parseConfig(config as EventBusConfig);

describe('a bus’s configuration', () => {
  test('selects durable-memory if it is empty', () => {
    expect(parseConfig()).toEqual({
      engines: [{ name: 'default', type: 'durable-memory', config: {} }],
      routing: [],
      source: 'polybus',
      isMultiEngine: false,
      defaultEngine: 'default',
    });
  });

  test('passes its fields to the engine in the one-engine form', () => {
    const { engines } = parseConfig({
      engine: 'redis',
      workerCount: 9,
      externalBrokerURL: 'redis://h',
      eventTTL: '2m',
    });
    expect(engines).toEqual([
      {
        name: 'default',
        type: 'redis',
        config: { workerCount: 9, externalBrokerURL: 'redis://h', eventTTL: '2m' },
      },
    ]);
  });

  test('uses the first engine as the default in the form with several engines', () => {
    const parsed = parseConfig({
      engines: [
        { name: 'a', type: 'memory' },
        { name: 'b', engine: memoryEngine() },
      ],
      routing: [{ topics: ['x.*'], engine: 'b' }],
    });
    expect(parsed).toMatchObject({ isMultiEngine: true, defaultEngine: 'a' });
  });

  test('reports all mistakes at once, with path, value, allowed values, and a suggestion', () => {
    const problems = problemsOf(
      parse({
        wokerCount: 3,
        maxEventQueueSize: 0,
        deliveryMode: 'sometimes',
        publishBlockTimeout: '5 parsecs',
        engines: [{ name: 'a', tpye: 'memory' }],
        routing: [
          { topics: ['a..b'], engine: 'a' },
          { topics: [], engine: 'a' },
        ],
      }),
    );
    const byPath = Object.fromEntries(problems.map(({ path, message }) => [path, message]));
    expect(byPath).toMatchObject({
      wokerCount: 'there is no field "wokerCount"; did you mean "workerCount"?',
      maxEventQueueSize: 'expected a whole number of at least 1, got 0',
      deliveryMode: 'expected "drop", "block" or "timeout", got "sometimes"',
      publishBlockTimeout: expect.stringContaining('"250ms"') as string,
      'engines[0].tpye': 'there is no field "tpye"; did you mean "type"?',
      'routing[0].topics[0]': expect.stringContaining('got "a..b"') as string,
      'routing[1].topics': expect.stringContaining('at least one topic') as string,
    });
  });

  test.for([
    [
      {
        engines: [
          { name: 'a', type: 'memory' },
          { name: 'a', type: 'memory' },
        ],
      },
      'DUPLICATE_ENGINE_NAME',
      'engines[1].name',
    ],
    [{ routing: [{ topics: ['*'], engine: 'nope' }] }, 'UNKNOWN_ENGINE_REFERENCE', 'routing[0].engine'],
    [{ engines: [] }, 'INVALID_CONFIG', 'engines'],
    [{ engines: [{ name: 'a' }] }, 'INVALID_CONFIG', 'engines[0]'],
    [{ engines: [{ name: 'a', type: 'memory', engine: memoryEngine() }] }, 'INVALID_CONFIG', 'engines[0]'],
    [{ engines: [{ type: 'memory' }] }, 'INVALID_CONFIG', 'engines[0].name'],
    [{ engines: [{ name: 'a', engine: {} }] }, 'INVALID_CONFIG', 'engines[0].engine'],
    ['memory', 'INVALID_CONFIG', 'config'],
    [null, 'INVALID_CONFIG', 'config'],
  ] as const)('refuses %j', ([config, code, path]) => {
    const [problem] = problemsOf(parse(config));
    expect(problem!.path).toBe(path);
    expect(parse(config)).toThrow(expect.objectContaining({ code }) as Error);
  });

  test('reports mistakes inside of retry', () => {
    const memory = (retry: unknown) => () => memoryEngine({ retry } as never);
    expect(problemsOf(memory({ attemps: 3 }))).toMatchObject([
      {
        path: 'memoryEngine.retry.attemps',
        message: 'there is no field "attemps"; did you mean "attempts"?',
      },
    ]);
    expect(problemsOf(memory({ attempts: 0, backoff: { factor: 0.5, jitter: 'some' } }))).toMatchObject([
      { path: 'memoryEngine.retry.attempts', message: 'expected a whole number of at least 1, got 0' },
      { path: 'memoryEngine.retry.backoff.factor', message: 'expected a number of at least 1, got 0.5' },
      { path: 'memoryEngine.retry.backoff.jitter', message: 'expected "full" or "none", got "some"' },
    ]);
    expect(problemsOf(memory(true))[0]!.message).toMatch(/^expected false, or \{ attempts, .*\}, got true$/);
  });

  test('refuses durations that exceed the limits of timers and subscriptions', () => {
    const memory = (config: object) => () => memoryEngine(config);
    for (const config of [
      { handlerTimeoutMs: 0 },
      { handlerTimeoutMs: 2 ** 31 },
      { publishBlockTimeout: '30d' },
      { retry: { backoff: { maxMs: 2 ** 31 } } },
    ])
      expect(problemsOf(memory(config))[0]!.message).toMatch(/at least 1|at most 2147483647 milliseconds/);
    expect(problemsOf(parse({ publishBlockTimeout: '30d' }))[0]!.path).toBe('publishBlockTimeout');
    // It is compared, not waited for.
    expect(parseConfig({ eventTTL: '30d' }).engines[0]!.config).toEqual({ eventTTL: '30d' });
  });

  test.each([3600, '3600', 1000.5])(
    'shows both interpretations of an eventTTL without a unit: %j',
    (eventTTL) => {
      const config = { eventTTL } as object;
      for (const check of [parse(config), () => memoryEngine(config), () => durableMemoryEngine(config)]) {
        const [{ path, message } = { path: '', message: '' }] = problemsOf(check);
        expect(path).toMatch(/eventTTL$/);
        expect(message).toContain(`"${eventTTL}s" for seconds, which is what the Go module means by it`);
        expect(message).toContain(`or "${eventTTL}ms" for milliseconds, got`);
      }
      expect(parseConfig({ eventTTL: 0 }).engines[0]!.config).toEqual({ eventTTL: 0 });
    },
  );

  test('refuses the engine name that metrics use for the sum', () => {
    expect(problemsOf(parse({ engines: [{ name: '_all', type: 'memory' }] }))).toMatchObject([
      {
        path: 'engines[0].name',
        message: 'expected a name other than "_all", which metrics use for all engines together, got "_all"',
      },
    ]);
  });

  test('never shows a secret, even in the wrong field', async () => {
    const url = 'redis://u:hun"ter2@h';
    const rule = { topics: ['*'], engine: url };
    const named = { name: url, type: 'memory' };
    for (const config of [
      { routing: [rule] },
      { engines: [named, named] },
      { engines: [named], routing: [{ topics: ['*'], engine: 'x' }] },
      { deliveryMode: url },
      { [url]: 1 },
    ])
      expect(JSON.stringify(problemsOf(parse(config)))).not.toContain('ter2');
    const error = await createEventBus({ engine: url })
      .start()
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'UNKNOWN_ENGINE_TYPE', engine: 'redis://[hidden]@h' });
    expect(String(error)).not.toContain('ter2');
    const host = { configSection: () => url };
    expect(JSON.stringify(problemsOf(() => new EventBusModule().init(host)))).not.toContain('ter2');
  });

  test('never shows a secret', () => {
    const config = { externalBrokerPassword: 42, externalBrokerURL: 7, source: '' };
    expect(JSON.stringify(problemsOf(parse(config)))).not.toContain('42');
    const problems = problemsOf(parse({ deliveryMode: 'redis://user:hunter2@host' }));
    expect(JSON.stringify(problems)).not.toContain('hunter2');
  });
});

describe('the memory engine’s configuration', () => {
  test('is checked when the engine is created', () => {
    expect(problemsOf(() => memoryEngine({ workerCount: 1.5, eventTTL: 'soon' }))).toEqual([
      { path: 'memoryEngine.workerCount', message: 'expected a whole number of at least 1, got 1.5' },
      { path: 'memoryEngine.eventTTL', message: expect.stringContaining('"1h30m"') as string },
    ]);
    expect(problemsOf(() => durableMemoryEngine({ deliveryMode: 'drop' } as never))[0]).toMatchObject({
      path: 'durableMemoryEngine.deliveryMode',
      message: expect.stringContaining('only ever blocks') as string,
    });
  });

  test('is checked at start as part of the configuration of a bus, with its path there', async () => {
    const bus = createEventBus({
      engines: [
        { name: 'a', type: 'memory' },
        { name: 'b', type: 'durable-memory', config: { wokerCount: 1 } },
      ],
    });
    await expect(bus.start()).rejects.toMatchObject({
      problems: [
        { path: 'engines[1].config.wokerCount', message: expect.stringContaining('workerCount') as string },
      ],
    });
  });

  test('accepts the fields of a bus with one engine', async () => {
    const bus = createEventBus({
      engine: 'memory',
      workerCount: 1,
      retentionDays: 2,
      rotateSubscriberOrder: true,
      deliveryMode: 'block',
    });
    await bus.start();
    expect(bus.router.engine('default').type).toBe('memory');
    await bus.stop();
  });
});
