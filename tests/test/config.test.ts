import {
  type ConfigProblem,
  InvalidConfigError,
  type EventBusConfig,
  createEventBus,
  parseConfig,
} from '@polybus/core';
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
  test('is one memory engine where nothing is given', () => {
    expect(parseConfig()).toEqual({
      engines: [{ name: 'default', type: 'memory', config: {} }],
      routing: [],
      source: 'polybus',
      isMultiEngine: false,
      defaultEngine: 'default',
    });
  });

  test('in its one-engine form hands the fields to that engine', () => {
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
        config: { workerCount: 9, externalBrokerURL: 'redis://h', eventTTL: 120_000 },
      },
    ]);
  });

  test('in its many-engine form takes the first as the default', () => {
    const parsed = parseConfig({
      engines: [
        { name: 'a', type: 'memory' },
        { name: 'b', engine: memoryEngine() },
      ],
      routing: [{ topics: ['x.*'], engine: 'b' }],
    });
    expect(parsed).toMatchObject({ isMultiEngine: true, defaultEngine: 'a' });
  });

  test('lists every problem at once, with path, value, what is allowed, and a suggestion', () => {
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

  test('never shows a secret', () => {
    const config = { externalBrokerPassword: 42, externalBrokerURL: 7, source: '' };
    expect(JSON.stringify(problemsOf(parse(config)))).not.toContain('42');
    const problems = problemsOf(parse({ deliveryMode: 'redis://user:hunter2@host' }));
    expect(JSON.stringify(problems)).not.toContain('hunter2');
  });
});

describe('the memory engine’s configuration', () => {
  test('is checked where the engine is made', () => {
    expect(problemsOf(() => memoryEngine({ workerCount: 1.5, eventTTL: 'soon' }))).toEqual([
      { path: 'memoryEngine.workerCount', message: 'expected a whole number of at least 1, got 1.5' },
      { path: 'memoryEngine.eventTTL', message: expect.stringContaining('"1h30m"') as string },
    ]);
    expect(problemsOf(() => durableMemoryEngine({ deliveryMode: 'drop' } as never))[0]).toMatchObject({
      path: 'durableMemoryEngine.deliveryMode',
      message: expect.stringContaining('only ever blocks') as string,
    });
  });

  test('is checked at start where it stands in a bus’s configuration, naming the path there', async () => {
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

  test('takes the fields of a one-engine bus', async () => {
    const bus = createEventBus({
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
