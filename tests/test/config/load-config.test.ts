import { execFile } from 'node:child_process';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { InvalidConfigError, PolybusError, createEventBus, loadConfig, parseConfig } from '@polybus/core';
import { registerEngine } from '@polybus/core/engine';
import { memoryEngine } from '@polybus/engine-memory';
import { describe, expect, test } from 'vitest';
import { quietLogger } from '../bus/quiet-logger.ts';
import { errorOf, load, problemsOf, temporaryFolder } from './loading.ts';

const folder = temporaryFolder();
const written = folder.write.bind(folder);

describe('the sources of a configuration', () => {
  test('give the defaults if there are none', async () => {
    expect(parseConfig(await load({}))).toEqual(parseConfig());
  });

  test('override each other field by field, in the order file, environment, code', async () => {
    const file = await written(
      'engine: memory\nworkerCount: 1\nretentionDays: 1\neventTTL: 5m\nsource: /file\n',
    );
    const env = { WORKER_COUNT: '2', RETENTION_DAYS: '2' };
    const config = await load({ file, env, code: { retentionDays: 3, eventTTL: undefined } });
    expect(config).toEqual({
      engine: 'memory',
      workerCount: 2,
      retentionDays: 3,
      eventTTL: '5m',
      source: '/file',
    });
  });

  test('include the environment of the process by default', async () => {
    process.env['POLYBUS_SOURCES_WORKER_COUNT'] = '7';
    try {
      expect(await loadConfig({ envPrefix: 'POLYBUS_SOURCES_' })).toEqual({ workerCount: 7 });
    } finally {
      delete process.env['POLYBUS_SOURCES_WORKER_COUNT'];
    }
  });

  test('can create a bus that runs', async () => {
    const file = new URL(pathToFileURL(await written('{ "engine": "durable-memory" }', 'json')));
    const bus = createEventBus(await load({ file, env: { WORKER_COUNT: '3' } }));
    await bus.start();
    expect(bus.router.engine('default').type).toBe('durable-memory');
    await bus.stop();
  });

  test('let several engines in code replace the single engine of a file', async () => {
    const file = await written('engine: redis\nexternalBrokerURL: redis://h\n');
    const config = await load({ file, code: { engines: [{ name: 'a', engine: memoryEngine() }] } });
    expect(parseConfig(config)).toMatchObject({ isMultiEngine: true, defaultEngine: 'a' });
  });

  test('refuse a field of the single engine if the file has several engines', async () => {
    const file = await written('engines: [{ name: a, type: memory }]\nworkerCount: 9\n');
    const env = { ENGINE: 'redis', EXTERNAL_BROKER_PASSWORD: 'hunter2', EVENT_SOURCE: '/env' };
    const error = await errorOf({ file, env, code: { workerCount: 3 } });
    expect(error.message).not.toContain('hunter2');
    expect((error as InvalidConfigError).problems).toMatchObject([
      { path: 'engine', source: 'ENGINE', message: expect.stringContaining('has "engines"') as string },
      { path: 'externalBrokerPassword', source: 'EXTERNAL_BROKER_PASSWORD' },
      { path: 'workerCount', source: 'code' },
    ]);
    expect(error.message).toContain('engine (from ENGINE): it is for a bus with one engine');
  });
});

describe('the environment', () => {
  test('sets every field by its variable', async () => {
    const env = {
      ENGINE: 'redis',
      MAX_EVENT_QUEUE_SIZE: '2000',
      DEFAULT_EVENT_BUFFER_SIZE: '20',
      WORKER_COUNT: ' 8 ',
      DELIVERY_MODE: 'timeout',
      PUBLISH_BLOCK_TIMEOUT: '250ms',
      ROTATE_SUBSCRIBER_ORDER: 'true',
      EVENT_TTL: '3600s',
      RETENTION_DAYS: '14',
      EXTERNAL_BROKER_URL: 'redis://h',
      EXTERNAL_BROKER_USER: '42',
      EXTERNAL_BROKER_PASSWORD: '007',
      EVENT_SOURCE: '/shop',
    };
    const fields = {
      engine: 'redis',
      maxEventQueueSize: 2000,
      defaultEventBufferSize: 20,
      workerCount: 8,
      deliveryMode: 'timeout',
      publishBlockTimeout: '250ms',
      rotateSubscriberOrder: true,
      eventTTL: '3600s',
      retentionDays: 14,
      externalBrokerURL: 'redis://h',
      externalBrokerUser: '42',
      externalBrokerPassword: '007',
      source: '/shop',
    };
    expect(await load({ env })).toEqual(fields);
    const prefixed = Object.fromEntries(Object.entries(env).map(([name, value]) => [`APP_${name}`, value]));
    expect(await load({ env: { ...prefixed, ENGINE: 'kafka' }, envPrefix: 'APP_' })).toEqual(fields);
  });

  test('ignores an empty variable', async () => {
    expect(await load({ env: { WORKER_COUNT: '', ENGINE: ' ' } })).toEqual({});
  });

  test('reports all invalid variables at once', async () => {
    const env = {
      WORKER_COUNT: 'many',
      RETENTION_DAYS: '0',
      ROTATE_SUBSCRIBER_ORDER: 'perhaps',
      EVENT_TTL: '1 hour',
    };
    const problems = await problemsOf({ env });
    expect(Object.fromEntries(problems.map(({ source, message }) => [source, message]))).toEqual({
      WORKER_COUNT: 'expected a whole number of at least 1, got "many"',
      RETENTION_DAYS: 'expected a whole number of at least 1, got 0',
      ROTATE_SUBSCRIBER_ORDER: 'expected true or false, got "perhaps"',
      EVENT_TTL: 'expected text such as "90s", "5m", "1h30m", "7d", or 0 for no limit, got "1 hour"',
    });
  });

  test('refuses a name of Object.prototype as the value of a flag', async () => {
    const [problem] = await problemsOf({ env: { ROTATE_SUBSCRIBER_ORDER: 'constructor' } });
    expect(problem?.message).toBe('expected true or false, got "constructor"');
  });

  test('reports a misspelt variable if a prefix shows that it is for polybus', async () => {
    const env = { APP_WOKER_COUNT: '3', WOKER_COUNT: '3' };
    expect(await problemsOf({ env, envPrefix: 'APP_' })).toEqual([
      {
        path: 'APP_WOKER_COUNT',
        message: 'there is no variable "APP_WOKER_COUNT"; did you mean "APP_WORKER_COUNT"?',
      },
    ]);
    expect(await load({ env })).toEqual({});
  });

  test('warns about a variable with the prefix that sets nothing, with the nearest name, unless the file refers to it', async () => {
    const env = { SHOP_MODE: 'streams', SHOP_PORT: '80', SHOP_URL_OF_REDIS: 'redis://h', PORT: '80' };
    const file = await written('engine: redis\nexternalBrokerURL: ${SHOP_URL_OF_REDIS}\n');
    const logger = quietLogger();
    expect(await load({ file, env, envPrefix: 'SHOP_', logger })).toEqual({
      engine: 'redis',
      externalBrokerURL: 'redis://h',
    });
    expect(logger.lines.map(({ message }) => message)).toEqual([
      expect.stringContaining('SHOP_MODE (did you mean SHOP_DELIVERY_MODE?), SHOP_PORT.') as string,
    ]);
  });

  test('accepts the names of the newest Go module, and refuses two different names of the same field', async () => {
    const env = { ENGINE: 'durable-memory', MAX_DURABLE_QUEUE_DEPTH: '7', SOURCE: '/shop' };
    const fields = { engine: 'durable-memory', maxDurableQueueDepth: 7, source: '/shop' };
    expect(await load({ env })).toEqual(fields);
    expect(await load({ env: { ...env, EVENT_SOURCE: '/shop' } })).toEqual(fields);
    const [problem] = await problemsOf({ env: { ...env, EVENT_SOURCE: '/other' } });
    expect(problem).toMatchObject({
      path: 'EVENT_SOURCE',
      message: 'it sets the same field as SOURCE, to another value; unset one of the two',
    });
  });
});

describe('a file', () => {
  test.each(['json', 'yaml'])(
    'in %s, converts a value that consists of one variable to the type of its field',
    async (extension) => {
      const fields: [string, string][] = [
        ['engine', '${ENGINE}'],
        ['workerCount', '${WORKERS}'],
        ['rotateSubscriberOrder', '${ROTATE}'],
        ['externalBrokerUser', '${ACCOUNT}'],
        ['externalBrokerPassword', '${PASSWORD}'],
        ['eventTTL', '${TTL}'],
      ];
      const text =
        extension === 'json'
          ? JSON.stringify(Object.fromEntries(fields))
          : fields.map(([name, value]) => `${name}: ${value}\n`).join('');
      const env = { WORKERS: '8', ROTATE: 'true', ACCOUNT: '42', PASSWORD: '007', TTL: '5m' };
      const file = await written(text, extension);
      expect(await load({ file, env: { ...env, ENGINE: 'memory' }, envPrefix: 'APP_' })).toEqual({
        engine: 'memory',
        workerCount: 8,
        rotateSubscriberOrder: true,
        externalBrokerUser: '42',
        externalBrokerPassword: '007',
        eventTTL: '5m',
      });
      const problems = await problemsOf({
        file,
        env: { ...env, WORKERS: 'many', ENGINE: '0' },
        envPrefix: 'APP_',
      });
      expect(problems.map(({ path, message }) => [path, message])).toEqual([
        ['workerCount', 'expected a whole number of at least 1, got "many"'],
      ]);
    },
  );

  test('cannot have a variable in a key or a reference inside of a default', async () => {
    const file = await written('engines:\n  - name: a\n    type: of-nobody\n    config:\n      ${KEY}: 1\n');
    expect(await load({ file, env: { KEY: 'k' } })).toEqual({
      engines: [{ name: 'a', type: 'of-nobody', config: { '${KEY}': 1 } }],
    });
    const nested = { source: '${A:-/${B}/x}' };
    for (const env of [{}, { A: 'a' }, { B: 'b' }])
      expect(await problemsOf({ file: await written(JSON.stringify(nested), 'json'), env })).toMatchObject([
        {
          path: 'source',
          message: expect.stringContaining('expected ${NAME}, or ${NAME:-default}') as string,
        },
      ]);
  });

  test('can be YAML or JSON, empty, and name its schema', async () => {
    expect(await load({ file: await written('', 'yml') })).toEqual({});
    expect(await load({ file: await written('\uFEFF{"$schema": "x", "workerCount": 2}', 'json') })).toEqual({
      workerCount: 2,
    });
    const yaml = '# a comment\nengines:\n  - &one { name: a, type: memory }\nrouting: []\n';
    expect(await load({ file: await written(yaml) })).toEqual({
      engines: [{ name: 'a', type: 'memory' }],
      routing: [],
    });
  });

  test('gets values from the environment, at any depth', async () => {
    const text = `
engines:
  - name: cache
    type: \${TYPE:-of-nobody}
    config:
      url: redis://\${HOST}:\${PORT:-6379}/0
      workerCount: \${WORKERS}
      quoted: "\${WORKERS}"
      flag: \${FLAG:-false}
      zip: \${ZIP}
      password: \${PASSWORD}
      literal: $\${HOST} costs $5
      list: ["\${HOST}", 1]
      empty: "\${EMPTY}"
      or: \${EMPTY:-else}
`;
    const env = { HOST: 'h', WORKERS: '8', ZIP: '00123', PASSWORD: '123456', EMPTY: '' };
    const { engines } = await load({ file: await written(text), env });
    expect(engines![0]).toEqual({
      name: 'cache',
      type: 'of-nobody',
      config: {
        url: 'redis://h:6379/0',
        workerCount: 8,
        quoted: '8',
        flag: false,
        zip: '00123',
        password: '123456',
        literal: '${HOST} costs $5',
        list: ['h', 1],
        empty: '',
        or: 'else',
      },
    });
  });

  test('cannot get structure from a variable', async () => {
    const file = await written('source: ${SOURCE}\n');
    const SOURCE = 'a"\nengine: evil ${HOST}';
    expect(await load({ file, env: { SOURCE } })).toEqual({ source: SOURCE });
  });

  test('treats names of Object.prototype as other names: unknown fields, and variables that are not set', async () => {
    const unknown = await problemsOf({
      file: await written('__proto__:\n  workerCount: 1\nworkerCount: 3\n'),
    });
    expect(unknown).toMatchObject([{ path: '__proto__', message: expect.stringContaining('no field') }]);
    const error = await errorOf({ file: await written('source: ${constructor}\n'), env: {} });
    expect(error.message).toContain('constructor');
    expect(error.code).toBe('MISSING_VARIABLE');
  });

  test('reports each missing variable with its path, together with other mistakes', async () => {
    const config =
      'engines: [{ name: a, type: redis, config: { url: "${URL}", db: "${DB}", x: "${URL}" } }]\n';
    const error = await errorOf({ file: await written(config) });
    expect(error).toMatchObject({ code: 'MISSING_VARIABLE', variables: ['URL', 'DB'] });
    expect((error as InvalidConfigError).problems.map(({ path }) => path)).toEqual([
      'engines[0].config.url',
      'engines[0].config.db',
      'engines[0].config.x',
    ]);
    expect(error.message).toContain('engines[0].config.url (from file-');
    expect(error.message).toContain(
      'the environment variable URL is not set; set it, or write a default: ${URL:-…}',
    );
    const problems = await problemsOf({
      file: await written('engine: ${TYPE}\nsource: "${ oops }"\nwokerCount: 1\n'),
      env: { RETENTION_DAYS: 'x' },
    });
    expect(problems.map(({ path, source }) => [path, source?.replace(/file-\d+/, 'file')])).toEqual([
      ['source', 'file.yaml'],
      ['engine', 'file.yaml'],
      ['retentionDays', 'RETENTION_DAYS'],
      ['wokerCount', 'file.yaml'],
    ]);
  });

  test.each([
    ['toml', 'a = 1', undefined, /\.yaml, \.yml, \.json/],
    ['yaml', 'engine: memory\nengine: redis\n', 2, /duplicate key/],
    ['yaml', 'a:\n  - b\n c: [', 3, /not valid YAML/],
    ['yaml', 'a: !secret hunter2\n', 1, /tag resolve failed/],
    ['yaml', 'a: *hunter2\n', undefined, /alias/],
    ['yaml', '- engine\n', undefined, /expected fields/],
    ['yaml', 'a: 1\n---\na: 2\n', 2, /multiple docs/],
    ['json', '{\n  "password": "hunter2,\n  "a": 1\n}', 2, /not valid JSON/],
    ['json', '{"a": 1,\n\n}', 3, /not valid JSON/],
    ['json', '{"a": [1, 2}\n', 1, /not valid JSON/],
    ['json', '{"a": tru}\n', 1, /not valid JSON/],
    ['json', '{"a": "\\x"}\n', 1, /not valid JSON/],
    ['json', '{"a": 01}', 1, /not valid JSON/],
    ['json', '{\n"a" 1}', 2, /not valid JSON/],
    ['json', '{}\n{}', 2, /not valid JSON/],
    ['json', '{"a": {\n', 2, /not valid JSON/],
    ['json', '', 1, /not valid JSON/],
    ['json', '[]', undefined, /expected fields/],
  ])('of type %s that contains %j is refused at line %s', async (extension, text, line, reason) => {
    const file = await written(text, extension);
    const error = await errorOf({ file });
    expect(error).toMatchObject({ code: 'CONFIG_FILE', file, line });
    expect(error.message).toMatch(reason);
    expect(error.message).toContain(line === undefined ? file : `${file}, line ${line}`);
    expect(`${error.stack}${String(error.cause)}`).not.toContain('hunter2');
  });

  test('that does not exist or is a folder causes an error with its cause', async () => {
    const file = join(folder.path, 'none.yaml');
    expect(await errorOf({ file })).toMatchObject({
      code: 'CONFIG_FILE',
      message: expect.stringContaining('there is no such file') as string,
      cause: { code: 'ENOENT' },
    });
    await mkdir(join(folder.path, 'folder.json'));
    expect((await errorOf({ file: join(folder.path, 'folder.json') })).message).toContain('EISDIR');
  });

  test('in YAML without the package `yaml` causes an error that names the package', async () => {
    // A copy of core, with its own dependencies and nothing else.
    const modules = join(folder.path, 'alone/node_modules');
    const root = fileURLToPath(new URL('../../..', import.meta.url));
    await cp(join(root, 'packages/core/src'), join(modules, '@polybus/core/src'), { recursive: true });
    await cp(join(root, 'packages/core/package.json'), join(modules, '@polybus/core/package.json'));
    for (const name of ['valibot', 'uuidv7'])
      await symlink(join(root, 'node_modules', name), join(modules, name), 'junction');
    const program = join(folder.path, 'alone/program.mjs');
    await writeFile(join(folder.path, 'alone/polybus.yaml'), 'engine: memory\n');
    await writeFile(join(folder.path, 'alone/polybus.json'), '{}');
    await writeFile(
      program,
      `import { loadConfig } from '@polybus/core';
       console.log(JSON.stringify(await loadConfig({ file: 'polybus.json', env: {} })));
       await loadConfig({ file: 'polybus.yaml', env: {} }).catch((error) => console.log(error.code, error.message));`,
    );
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), '--conditions=@polybus/source', program],
      { cwd: join(folder.path, 'alone') },
    );
    expect(stdout.trim().split('\n')).toEqual([
      '{}',
      'MISSING_PACKAGE A configuration file in YAML needs the package "yaml". Install it: npm install yaml',
    ]);
  });
});

describe('all mistakes of a configuration come at once', () => {
  test('including names of engines', async () => {
    const problems = await problemsOf({
      code: {
        workerCount: 0,
        engines: [
          { name: 'a', type: 'memory' },
          { name: 'a', type: 'memory' },
          { name: '', type: 'memory' },
        ],
        routing: [
          { topics: ['x..y'], engine: 'b' },
          { topics: ['*'], engine: 'c' },
        ],
      },
    });
    expect(problems.map(({ path }) => path)).toEqual([
      'workerCount',
      'engines[2].name',
      'routing[0].topics[0]',
      'engines[1].name',
      'routing[0].engine',
      'routing[1].engine',
    ]);
  });

  const own = {
    engines: [
      { name: 'a', type: 'memory', config: { wokerCount: 1 } },
      { name: 'b', type: 'durable-memory', config: { retentionDays: 0, deliveryMode: 'drop' } },
      { name: 'd', type: 'memory' },
    ],
  };
  const ownPaths = [
    'engines[0].config.wokerCount',
    'engines[1].config.deliveryMode',
    'engines[1].config.retentionDays',
  ];

  test('including mistakes in the options of engines, with their sources', async () => {
    const file = await written(JSON.stringify({ ...own, routing: [{ topics: ['*'], engine: 'x' }] }), 'json');
    const problems = await problemsOf({ file });
    expect(problems.map(({ path }) => path).sort()).toEqual([...ownPaths, 'routing[0].engine']);
    expect(new Set(problems.map(({ source }) => source))).toEqual(new Set([basename(file)]));
    const env = { ENGINE: 'redis', EXTERNAL_BROKER_URL: 'http://h', WORKER_COUNT: '0' };
    const error = await errorOf({ env });
    expect(error.message).toContain('externalBrokerURL (from EXTERNAL_BROKER_URL): expected a URL such as');
    // Of each field once, although the engine has something to say of it too.
    expect((error as InvalidConfigError).problems.map(({ path }) => path)).toEqual([
      'workerCount',
      'externalBrokerURL',
    ]);
  });

  test('except that the engine does not also refuse a field whose variable is missing', async () => {
    const engines = [{ name: 'a', type: 'redis', config: { url: '${NOWHERE}' } }];
    const error = await errorOf({ file: await written(JSON.stringify({ engines }), 'json') });
    expect(error).toMatchObject({ code: 'MISSING_VARIABLE', variables: ['NOWHERE'] });
  });

  test('for engines that are known, and for other engines at the start', async () => {
    await load({ code: { engines: own.engines.map(({ name, type }) => ({ name, type })) } });
    expect(() => parseConfig(own)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }) as Error);
    const config = { engines: [...own.engines.slice(2), { name: 'c', type: 'memroy' }] };
    await expect(createEventBus(config).start()).rejects.toMatchObject({ code: 'UNKNOWN_ENGINE_TYPE' });
  });

  test("and an engine's own error type is kept", async () => {
    registerEngine('particular', () => {
      throw new PolybusError('PARTICULAR', 'expected something particular');
    });
    const engines = [{ name: 'k', type: 'particular' }];
    await expect(load({ code: { engines } })).rejects.toMatchObject({ code: 'PARTICULAR' });
    const routing = [{ topics: ['*'], engine: 'x' }];
    expect((await problemsOf({ code: { engines, routing } })).map(({ message }) => message)).toEqual([
      'expected something particular',
      expect.stringContaining('there is no engine "x"') as string,
    ]);
  });
});

describe('a bus with one engine', () => {
  const file = () =>
    written(
      'engine: memory\nmaxEventQueueSize: 1000\ndeliveryMode: drop\nretentionDays: 7\nworkerCount: 5\n',
    );

  test.each(['redis', 'kafka', 'kinesis'])(
    'accepts the fields of every engine, also with %s',
    async (ENGINE) => {
      const config = await load({ file: await file(), env: { ENGINE } });
      expect(parseConfig(config).engines[0]).toMatchObject({ type: ENGINE, config: { workerCount: 5 } });
    },
  );

  test('logs which fields its engine does not have, and ignores them', async () => {
    registerEngine('two-fields', (config, { path }) => {
      const { retentionDays: _, ...known } = config as Record<string, unknown>;
      const unknown = Object.keys(known).map((field) => ({
        path: path === '' ? field : `${path}.${field}`,
        message: 'there is no such field',
        kind: 'unknown-field' as const,
      }));
      if (unknown.length > 0) throw new InvalidConfigError(unknown);
      return memoryEngine();
    });
    const warnings: unknown[] = [];
    const logger = { warn: (...line: unknown[]) => void warnings.push(line), error: () => {} };
    const bus = createEventBus({
      ...(await load({ file: await file(), env: { ENGINE: 'two-fields' } })),
      logger,
    });
    await bus.start();
    await bus.stop();
    const fields = ['maxEventQueueSize', 'workerCount', 'deliveryMode'];
    expect(warnings).toEqual([
      [
        `an engine of the type "two-fields" does not have the fields ${fields.join(', ')}; they are ignored`,
        { engine: 'default', type: 'two-fields', fields },
      ],
    ]);
  });

  test('refuses fields that no engine has, and values that its engine refuses', async () => {
    expect((await problemsOf({ code: { engine: 'redis', url: 'redis://h' } as never }))[0]!.path).toBe('url');
    const code = { engine: 'durable-memory', deliveryMode: 'drop' as const };
    expect((await problemsOf({ code }))[0]!.path).toBe('deliveryMode');
    expect(
      (await problemsOf({ code: { engines: [{ name: 'r', type: 'redis', config: code }] } }))[0]!.path,
    ).toBe('engines[0].config.engine');
  });
});

describe('no secret is shown', () => {
  test.each([
    [{ externalBrokerURL: 7, externalBrokerPassword: 7007 }, '7007'],
    [{ deliveryMode: 'redis://user:hunter2@host' }, 'hunter2'],
    [{ deliveryMode: 'redis://user:hun/ter@2@host:1' }, 'ter'],
    [{ deliveryMode: 'redis://:hunter2@host,redis://:hunter2@other' }, 'hunter2'],
    [{ deliveryMode: 'user:hunter2@host:6379' }, 'hunter2'],
    [{ deliveryMode: `redis://user:hunter2${'x'.repeat(80)}@host` }, 'hunter2'],
    [{ deliveryMode: 'https://host/?a=1&access_token=hunter2' }, 'hunter2'],
    [{ deliveryMode: 'https://host/?password=hunter2&b=1' }, 'hunter2'],
  ])('of %j', async (code, secret) => {
    const error = await errorOf({ code: code as never });
    expect(error.message).not.toContain(secret);
    expect(JSON.stringify((error as InvalidConfigError).problems)).not.toContain(secret);
  });
});
