import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type EventBusConfig, parseConfig } from '@polybus/core';
import { assertTopic, assertTopicOrPattern } from '@polybus/core/engine';
import { engines as kafkaEngines } from '@polybus/engine-kafka';
import { engines as kinesisEngines } from '@polybus/engine-kinesis';
import { engines as memoryEngines } from '@polybus/engine-memory';
import { engines as redisEngines } from '@polybus/engine-redis';
import { Ajv } from 'ajv';
import * as fc from 'fast-check';
import { parse } from 'yaml';
import { describe, expect, test } from 'vitest';
import { engineVariants } from '../../generate/engine-variants.ts';
import { generatedFiles } from '../../generate/files.ts';
import { circleIn, depthOf, roomsOf } from '../../generate/rooms.ts';
import { type SuiteResult, readResults, resultOf } from '../../generate/suite-results.ts';
import { blocksOf, pages, readPage, root } from './blocks.ts';

/** Making one opens nothing. */
const engines = { ...memoryEngines, ...redisEngines, ...kafkaEngines, ...kinesisEngines };
const files = await generatedFiles();
const schemaFile = createRequire(import.meta.url).resolve('@polybus/core/polybus.schema.json');
const schema = JSON.parse(readFileSync(schemaFile, 'utf8')) as {
  properties: Record<string, { description?: string }>;
  definitions: Record<string, { properties?: Record<string, { description?: string }> }>;
};
const validate = new Ajv({ allErrors: true, strictTypes: false }).compile(schema);

test.each(Object.keys(files))('%s is up to date; if not: npm run generate', (path) => {
  expect(readFileSync(join(root, path), 'utf8')).toBe(files[path]);
});

describe('the rooms of a package', () => {
  test.each(['core', 'engine-kafka', 'engine-kinesis', 'engine-redis'])(
    'of %s import each other in one direction',
    (name) => {
      expect(circleIn(roomsOf(name))).toBeUndefined();
    },
  );

  test.each([
    ['core', 10],
    ['engine-kafka', 6],
    ['engine-kinesis', 7],
    ['engine-redis', 7],
  ])('of %s have at most %i layers', (name, layers) => {
    expect(depthOf(roomsOf(name))).toBeLessThanOrEqual(layers);
  });

  test.each(['core', 'engine-kafka'])('of %s are all described in docs/architecture.md', (name) => {
    const page = readPage('docs/architecture.md');
    const missing = [...roomsOf(name).keys()].filter(
      (room) =>
        !new RegExp(`^- \\[\`${room}(?:\\.ts)?\`\\]\\(\\.\\./packages/${name}/src/${room}[.)]`, 'm').test(
          page,
        ),
    );
    expect(missing).toEqual([]);
  });
});

describe('the results of the suite', () => {
  test('are refused if a case did not pass, did not run, or does not exist', async () => {
    const [engine] = await engineVariants();
    const results = readResults();
    const { broker, passed } = resultOf(engine!, results);
    const [first, ...others] = passed;
    const about = (result: SuiteResult) => () => resultOf(engine!, { ...results, [engine!.suite]: result });
    expect(about({ broker, passed: others, notPassed: [first!] })).toThrow(`did not pass "${first}"`);
    expect(about({ broker, passed: others, notPassed: [] })).toThrow(`did not pass "${first}"`);
    expect(about({ broker, passed: [...passed, 'a case of old'], notPassed: [] })).toThrow(
      'ran "a case of old"',
    );
    expect(() => resultOf(engine!, {})).toThrow('npm run results');
  });
});

describe('the JSON Schema of the configuration', () => {
  function mistakesIn(config: unknown): (string | undefined)[] {
    validate(config);
    return (validate.errors ?? []).map(({ instancePath, keyword }) => `${instancePath} ${keyword}`);
  }

  /** As a bus and its engines check it. */
  function checked(config: EventBusConfig): void {
    for (const { name, type, config: own } of parseConfig(config).engines)
      engines[type!]!(own ?? {}, { name, path: 'config' });
  }

  test('contains the schema of every engine that exports one', () => {
    expect(Object.keys(schema.definitions)).toEqual(
      expect.arrayContaining(['variable', 'memory', 'durable-memory', 'redis', 'kafka', 'kinesis']),
    );
  });

  test('describes every field', () => {
    const { $schema: _, ...fields } = schema.properties;
    const all = { bus: fields, ...schema.definitions };
    const silent = Object.entries(all).flatMap(([name, one]) =>
      Object.entries((name === 'bus' ? one : one.properties) ?? {})
        .filter(([, field]) => (field as { description?: string }).description === undefined)
        .map(([field]) => `${name}.${field}`),
    );
    expect(silent).toEqual([]);
  });

  test.each<[object]>([
    [{}],
    [{ $schema: './polybus.schema.json', engine: 'memory', workerCount: 3, eventTTL: '5m', source: '/shop' }],
    [{ engine: 'my-own', publishBlockTimeout: 250, rotateSubscriberOrder: true, deliveryMode: 'timeout' }],
    [{ workerCount: '${WORKERS}', rotateSubscriberOrder: '${ROTATE:-true}', eventTTL: '${TTL}' }],
    [
      {
        engines: [
          {
            name: 'a',
            type: 'memory',
            config: { historySize: 0, retry: { attempts: 2 }, deadLetter: '_dead' },
          },
          {
            name: 'b',
            type: 'redis',
            config: { mode: 'streams', url: 'redis://h', clientOptions: { tls: {} } },
          },
          { name: 'c', type: 'durable-memory', config: { retry: false } },
          {
            name: 'e',
            type: 'kafka',
            config: {
              brokers: ['h:9092', '${BROKER}'],
              ssl: true,
              sasl: { mechanism: 'plain', username: 'u' },
            },
          },
          { name: 'f', type: 'kinesis', config: { shardCount: 2, pollInterval: '250ms' } },
          { name: 'd', type: 'my-own', config: { anything: ['goes'] } },
        ],
        routing: [{ topics: ['user.*', '*', 'a-b.C_1', 'us*'], engine: 'a' }],
      },
    ],
  ])('accepts %j', (config) => {
    expect(mistakesIn(config)).toEqual([]);
  });

  test.each<[object, string]>([
    [{ wokerCount: 1 }, ' additionalProperties'],
    [{ workerCount: 0 }, '/workerCount minimum'],
    [{ workerCount: 1.5 }, '/workerCount type'],
    [{ workerCount: 'three' }, '/workerCount pattern'],
    [{ eventTTL: '5 minutes' }, '/eventTTL pattern'],
    [{ deliveryMode: 'sometimes' }, '/deliveryMode enum'],
    [{ engines: [] }, '/engines minItems'],
    [{ engines: [{ name: 'a' }] }, '/engines/0 required'],
    [
      { engines: [{ name: 'a', type: 'memory', config: { url: 'redis://h' } }] },
      '/engines/0/config additionalProperties',
    ],
    [
      { engines: [{ name: 'a', type: 'redis', config: { createClient: 'x' } }] },
      '/engines/0/config additionalProperties',
    ],
    [
      { engines: [{ name: 'a', type: 'durable-memory', config: { deliveryMode: 'drop' } }] },
      '/engines/0/config/deliveryMode const',
    ],
    [{ engines: [{ name: 'a', type: 'kafka', config: { sasl: {} } }] }, '/engines/0/config/sasl required'],
    [
      { engines: [{ name: 'a', type: 'kinesis', config: { shardCount: 0 } }] },
      '/engines/0/config/shardCount minimum',
    ],
    [{ routing: [{ topics: ['a..b'], engine: 'a' }] }, '/routing/0/topics/0 pattern'],
    [{ routing: [{ topics: [], engine: 'a' }] }, '/routing/0/topics minItems'],
    [{ routing: [{ topics: ['*'] }] }, '/routing/0 required'],
  ])('refuses %j', (config, mistake) => {
    expect(mistakesIn(config)).toContain(mistake);
    expect(() => checked(config as EventBusConfig)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^INVALID_/) as string }) as Error,
    );
  });

  test('accepts every configuration of the documentation', () => {
    const configs = pages()
      .flatMap(blocksOf)
      .filter(({ marks }) => marks.includes('config'));
    expect(configs.length).toBeGreaterThan(2);
    for (const { page, line, code } of configs) {
      // YAML 1.2 has JSON in it.
      expect({ page, line, mistakes: mistakesIn(parse(code)) }).toEqual({ page, line, mistakes: [] });
    }
  });

  test('has the same grammar of topics and patterns as core', () => {
    const takes = (text: string, assertion: (value: string) => void): boolean => {
      try {
        assertion(text);
        return true;
      } catch {
        return false;
      }
    };
    const near = fc.string({
      unit: fc.constantFrom('a', 'Z', '9', '_', '-', '.', '*', ' ', 'é'),
      maxLength: 8,
    });
    const long = fc.integer({ min: 245, max: 252 }).map((length) => 'a'.repeat(length));
    fc.assert(
      fc.property(fc.oneof(near, long), (text) => {
        const rule = { routing: [{ topics: [text], engine: 'a' }] };
        expect(validate(rule)).toBe(takes(text, assertTopicOrPattern));
        const config = { engines: [{ name: 'a', type: 'memory', config: { deadLetter: text } }] };
        // A variable is looked at when its value is there.
        expect(validate(config)).toBe(takes(text, assertTopic));
      }),
    );
  });
});
