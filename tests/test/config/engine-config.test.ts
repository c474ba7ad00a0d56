import {
  InvalidConfigError,
  type LoadConfigOptions,
  createEventBus,
  loadConfig,
  parseConfig,
} from '@polybus/core';
import { registerEngine } from '@polybus/core/engine';
import { memoryEngine } from '@polybus/engine-memory';
import { describe, expect, test } from 'vitest';
import { load, problemsOf, temporaryFolder } from './loading.ts';

const folder = temporaryFolder();
const written = (text: string): Promise<string> => folder.write(text);

async function engineOf(options: LoadConfigOptions): Promise<object> {
  return parseConfig(await load(options)).engines[0]!;
}

describe('the config of the one-engine form', () => {
  test('has the fields that engines[].config has', async () => {
    const config = { mode: 'streams', url: 'redis://localhost:1', claimIdleMs: 5000 };
    expect(parseConfig({ engine: 'redis', config }).engines).toEqual([
      { name: 'default', type: 'redis', config },
    ]);
    const file = await written('engine: redis\nconfig:\n  mode: streams\n  retry: { attempts: 3 }\n');
    expect(await engineOf({ file })).toMatchObject({ config: { mode: 'streams', retry: { attempts: 3 } } });
  });

  test('overrides a field of the same name outside of it', () => {
    const { engines } = parseConfig({
      engine: 'memory',
      workerCount: 2,
      retentionDays: 3,
      config: { workerCount: 7 },
    });
    expect(engines[0]!.config).toEqual({ workerCount: 7, retentionDays: 3 });
  });

  test('is checked as strictly as engines[].config: a field of another engine in it is an error', async () => {
    const file = await written('engine: redis\nconfig:\n  mode: stream\n  deliveryMode: drop\n');
    const problems = await problemsOf({ file });
    expect(problems).toEqual([
      expect.objectContaining({ path: 'config.mode', source: expect.stringMatching(/yaml$/) as string }),
      expect.objectContaining({ path: 'config.deliveryMode' }),
    ]);
  });

  test('does not change that fields outside of it need not be fields of the engine', () => {
    const config = { engine: 'redis', deliveryMode: 'drop', config: { mode: 'streams' } } as const;
    expect(parseConfig(config).engines).toMatchObject([
      { config: { deliveryMode: 'drop', mode: 'streams' } },
    ]);
    const inside = { engine: 'redis', config: { mode: 'streams', deliveryMode: 'drop' } } as const;
    expect(() => parseConfig(inside)).toThrow(/config\.deliveryMode: there is no field/);
  });

  test('is named by the error for a field of the engine that is at the top', async () => {
    const file = await written('engine: redis\nmode: streams\n');
    const problems = await problemsOf({ file });
    expect(problems[0]).toMatchObject({
      path: 'mode',
      message: 'it is a field of the engine "redis"; set config.mode',
    });
    const other = await problemsOf({ file: await written('engine: redis\nbrokers: [a:1]\n') });
    expect(other[0]!.message).toContain('there is no field "brokers"');
  });

  test('is no object: an error', async () => {
    expect(await problemsOf({ file: await written('config: streams\n') })).toMatchObject([
      { path: 'config' },
    ]);
  });
});

describe('environment variables that begin with ENGINE_CONFIG_', () => {
  test('set fields of config, with camel case, numbers, flags, lists, and nested fields after two underscores', async () => {
    const env = {
      APP_ENGINE: 'kafka',
      APP_ENGINE_CONFIG_BROKERS: '["a:1", "b:2"]',
      APP_ENGINE_CONFIG_NUM_PARTITIONS: '8',
      APP_ENGINE_CONFIG_SASL: '{"mechanism":"plain"}',
      APP_ENGINE_CONFIG_SASL__USERNAME: 'ada',
      APP_ENGINE_CONFIG_SASL__PASSWORD: '007',
      APP_ENGINE_CONFIG_SSL: 'true',
      APP_ENGINE_CONFIG_CLIENT_ID: '',
    };
    expect(await engineOf({ env, envPrefix: 'APP_' })).toEqual({
      name: 'default',
      type: 'kafka',
      config: {
        brokers: ['a:1', 'b:2'],
        numPartitions: 8,
        sasl: { mechanism: 'plain', username: 'ada', password: '007' },
        ssl: true,
      },
    });
  });

  test('override the fields of the file one by one, and code overrides them', async () => {
    const file = await written(
      'engine: redis\nconfig:\n  mode: pubsub\n  poolSize: 2\n  retry: { attempts: 3 }\n',
    );
    const env = { ENGINE_CONFIG_MODE: 'streams', ENGINE_CONFIG_RETRY__BACKOFF__MAX_MS: '9' };
    expect(await engineOf({ file, env, code: { config: { poolSize: 4 } } })).toMatchObject({
      config: { mode: 'streams', poolSize: 4, retry: { attempts: 3, backoff: { maxMs: 9 } } },
    });
  });

  test('replace the config of a file that names another engine', async () => {
    const file = await written('engine: kafka\nconfig:\n  brokers: [a:1]\nretentionDays: 3\n');
    const env = { ENGINE: 'redis', ENGINE_CONFIG_MODE: 'streams' };
    expect(await engineOf({ file, env })).toMatchObject({
      type: 'redis',
      config: { mode: 'streams', retentionDays: 3 },
    });
    expect(await engineOf({ file, env: { ENGINE: 'kafka' } })).toMatchObject({
      config: { brokers: ['a:1'] },
    });
    const unnamed = await written('config:\n  mode: streams\n');
    expect(await engineOf({ file: unnamed, env: { ENGINE: 'redis' } })).toMatchObject({
      config: { mode: 'streams' },
    });
  });

  test('replace an object in the file that is of another type, and otherwise override its fields', async () => {
    const file = await written(
      'engine: kinesis\nconfig:\n  checkpointStore: { type: redis, url: "redis://a:1", keyPrefix: "dev:" }\n',
    );
    const field = 'ENGINE_CONFIG_CHECKPOINT_STORE__';
    const ofAnotherType = { [`${field}TYPE`]: 'file', [`${field}FOLDER`]: '7' };
    const { config } = (await engineOf({ file, env: ofAnotherType })) as { config: object };
    expect(config).toEqual({ checkpointStore: { type: 'file', folder: '7' } });
    expect(await engineOf({ file, env: { [`${field}URL`]: 'redis://b:2' } })).toMatchObject({
      config: { checkpointStore: { type: 'redis', url: 'redis://b:2', keyPrefix: 'dev:' } },
    });
  });

  test('show no secret of an object in an error, and name the variable', async () => {
    const url = 'redis//user:hunter2@host';
    const env = {
      ENGINE: 'kinesis',
      ENGINE_CONFIG_CHECKPOINT_STORE__TYPE: 'redis',
      ENGINE_CONFIG_CHECKPOINT_STORE__URL: url,
      ENGINE_CONFIG_CHECKPOINT_STORE__PASSWORD: '[1]',
    };
    const problems = await problemsOf({ env });
    expect(problems).toEqual([
      expect.objectContaining({ path: 'config.checkpointStore.url' }),
      expect.objectContaining({ path: 'config.checkpointStore.password' }),
    ]);
    expect(JSON.stringify(problems)).toContain('[hidden]');
    expect(JSON.stringify(problems)).not.toContain('hunter2');
    const other = { ENGINE: 'kinesis', ENGINE_CONFIG_CHECKPOINT_STORE__TYPE: 'disk' };
    expect(await problemsOf({ env: other })).toMatchObject([
      {
        path: 'config.checkpointStore.type',
        message: expect.stringContaining('"memory", "file", "redis" or "dynamodb"') as string,
      },
    ]);
  });

  test('keep text that looks like a number if the field expects text, and secrets', async () => {
    const env = {
      ENGINE: 'redis',
      ENGINE_CONFIG_USERNAME: '12',
      ENGINE_CONFIG_PASSWORD: '34',
      ENGINE_CONFIG_DB: '5',
    };
    expect(await engineOf({ env })).toMatchObject({ config: { username: '12', password: '34', db: 5 } });
  });

  test('are named by errors', async () => {
    const env = { ENGINE: 'redis', ENGINE_CONFIG_MOD: 'streams', ENGINE_CONFIG_POOL_SIZE: 'many' };
    expect(await problemsOf({ env })).toEqual([
      expect.objectContaining({ path: 'config.poolSize', source: 'ENGINE_CONFIG_POOL_SIZE' }),
      expect.objectContaining({
        path: 'config.mod',
        source: 'ENGINE_CONFIG_MOD',
        message: expect.stringContaining('did you mean "mode"') as string,
      }),
    ]);
  });

  test('are known, also if they are empty: nothing warns of them', async () => {
    const warnings: string[] = [];
    const logger = { warn: (message: string) => void warnings.push(message), error: () => {} };
    const env = { APP_ENGINE: 'redis', APP_ENGINE_CONFIG_MODE: '', APP_ENGINE_CONFIG_DB: '5' };
    const config = await loadConfig({ env, envPrefix: 'APP_', logger });
    expect(config).toEqual({ engine: 'redis', config: { db: 5 } });
    expect(warnings).toEqual([]);
  });

  test('leave no trace of a config that has no effect: an error does not name its file', async () => {
    registerEngine('strict', (config) => {
      if ((config as { token?: string }).token !== undefined) return memoryEngine();
      throw new InvalidConfigError([{ path: 'token', message: 'is required' }]);
    });
    const file = await written('engine: memory\nconfig:\n  token: x\n');
    const [problem] = await problemsOf({ file, env: { ENGINE: 'strict' } });
    expect(problem).toMatchObject({ path: 'config.token', message: 'is required' });
    expect(problem!.source).toBeUndefined();
  });

  test('are an error if the file has several engines', async () => {
    const file = await written('engines:\n  - { name: a, type: memory }\n');
    expect(await problemsOf({ file, env: { ENGINE_CONFIG_WORKER_COUNT: '2' } })).toMatchObject([
      { path: 'config', source: 'ENGINE_CONFIG_WORKER_COUNT' },
    ]);
  });

  test('cannot change the prototype of the configuration', async () => {
    const env = { ENGINE: 'memory', ENGINE_CONFIG___PROTO__: 'x', ENGINE_CONFIG___proto____a: 'x' };
    await load({ env }).catch(() => {});
    expect(({} as { a?: unknown }).a).toBeUndefined();
  });
});

describe('the type redis-streams', () => {
  test('is redis in mode streams, and its config has no mode', async () => {
    const config = { engine: 'redis-streams', config: { claimIdleMs: 5000 } } as const;
    const bus = createEventBus({ ...config, externalBrokerURL: 'redis://127.0.0.1:1' });
    expect(bus.config.engines[0]).toMatchObject({ type: 'redis-streams' });
    await loadConfig({ code: config, env: {} });
    expect(await problemsOf({ code: { ...config, config: { mode: 'streams' } } })).toMatchObject([
      { path: 'config.mode' },
    ]);
  });
});
