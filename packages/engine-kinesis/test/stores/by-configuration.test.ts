import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect, promisify } from 'node:util';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { afterAll, describe, expect, test } from 'vitest';
import type { CheckpointStoreConfig } from '../../src/index.ts';
import { FakeKinesis, overFake } from '../fake-kinesis.ts';
import { localEndpoint } from '../local-dynamodb.ts';
import { LogLines, makeEngine, startEngine, until } from '../support.ts';
import { TcpProxy } from '../tcp-proxy.ts';

const credentials = { accessKeyId: 'test', secretAccessKey: 'hunter2-is-secret' };

/** Starts an engine as a process would, and returns the numbers that its group handles until all of them have come. */
async function handle(fake: FakeKinesis, store: CheckpointStoreConfig, last: number): Promise<number[]> {
  const engine = await startEngine({ ...overFake(fake), checkpointStore: store });
  expect(engine.capabilities).toMatchObject({ durable: true, groups: true });
  const handled: number[] = [];
  const handler = ({ payload }: { readonly payload: unknown }): void => void handled.push(payload as number);
  await engine.subscribe('t', handler, { group: 'g', from: 'earliest' });
  await until('the last event', () => handled.includes(last));
  await engine.stop();
  return handled;
}

async function publish(fake: FakeKinesis, ...payloads: readonly number[]): Promise<void> {
  const engine = await startEngine(overFake(fake));
  for (const payload of payloads) await engine.publish({ topic: 't', payload, key: 'k' });
  await engine.stop();
}

/** A group continues in the next process where it was, because the positions are in the store. */
function continues(open: () => CheckpointStoreConfig): void {
  test('a group continues where the previous process stopped', async () => {
    const fake = new FakeKinesis(2);
    await publish(fake, 1, 2);
    expect(await handle(fake, open(), 2)).toEqual([1, 2]);
    await publish(fake, 3, 4);
    expect(await handle(fake, open(), 4)).toEqual([3, 4]);
  });
}

async function failedStart(checkpointStore: CheckpointStoreConfig): Promise<Error> {
  const engine = makeEngine({ ...overFake(new FakeKinesis()), checkpointStore }, new LogLines());
  return engine.start().then(
    () => expect.fail('it started'),
    (error: Error) => error,
  );
}

describe('a checkpoint store of type "file"', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'polybus-store-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  continues(() => ({ type: 'file', folder }));
});

describe('a checkpoint store of type "memory"', () => {
  test('keeps the positions of groups while the process lives, and logs what it does not keep', async () => {
    const [fake, log] = [new FakeKinesis(), new LogLines()];
    const engine = await startEngine({ ...overFake(fake), checkpointStore: { type: 'memory' } }, log);
    expect(engine.capabilities).toMatchObject({ durable: false, groups: true });
    const handled: unknown[] = [];
    await engine.subscribe('t', ({ payload }) => void handled.push(payload), { group: 'g' });
    expect(log.lines.join()).toMatch(/a restarted process loses the checkpoints.*checkpointStore/s);
    await engine.publish({ topic: 't', payload: 1 });
    await until('the event', () => handled.length === 1);
    await engine.stop();
    await publish(fake, 2);
    await engine.start();
    await engine.subscribe('t', ({ payload }) => void handled.push(payload), { group: 'g' });
    await until('the event published meanwhile', () => handled.length === 2);
    expect(handled).toEqual([1, 2]);
  });
});

describe('no checkpoint store', () => {
  test('refuses a group and names the option; a subscription without a group works', async () => {
    const engine = await startEngine(overFake(new FakeKinesis()));
    await expect(engine.subscribe('t', () => {}, { group: 'g' })).rejects.toMatchObject({
      code: 'UNSUPPORTED_CAPABILITY',
      message: expect.stringMatching(/does not support group.*With the option checkpointStore/) as string,
    });
    const handled: unknown[] = [];
    await engine.subscribe('t', ({ payload }) => void handled.push(payload));
    await engine.publish({ topic: 't', payload: 1 });
    await until('the event', () => handled.length === 1);
  });
});

describeWithBroker('redis', 'a checkpoint store of type "redis"', ({ url }) => {
  const newPrefix = (): string => `t-${randomUUID()}:`;
  const keyPrefix = newPrefix();
  continues(() => ({ type: 'redis', url, keyPrefix }));

  test('is closed when the engine stops, and when the engine fails to start', async () => {
    const proxy = await TcpProxy.to(url);
    const proxied = `redis://${new URL(proxy.endpoint).host}`;
    const store = { type: 'redis', url: proxied, keyPrefix: newPrefix() } as const;
    const fake = new FakeKinesis();
    await publish(fake, 1);
    await handle(fake, store, 1);
    await until('its connection to be closed', () => proxy.connections === 1 && proxy.open === 0);
    fake.rule = () => Object.assign(new Error('no'), { name: 'AccessDeniedException' });
    await expect(startEngine({ ...overFake(fake), checkpointStore: store })).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
    });
    await until('its connection to be closed', () => proxy.connections === 2 && proxy.open === 0);
  });

  test('survives lost connections', async () => {
    const proxy = await TcpProxy.to(url);
    const checkpointStore = {
      type: 'redis',
      url: `redis://${new URL(proxy.endpoint).host}`,
      keyPrefix: newPrefix(),
    } as const;
    const engine = await startEngine({ ...overFake(new FakeKinesis()), checkpointStore });
    const handled: unknown[] = [];
    await engine.subscribe('t', ({ payload }) => void handled.push(payload), { group: 'g' });
    for (let cut = 1; cut <= 3; cut++) {
      proxy.cut();
      await until('another connection', () => proxy.connections === cut + 1);
      await engine.publish({ topic: 't', payload: cut });
      await until('the event', () => handled.includes(cut));
    }
    await until('health to be up', async () => (await engine.health()).status === 'up');
  });

  test('with a wrong password fails the start: the error says so, and shows no password', async () => {
    const password = 'hunter2/is%secret';
    const error = await failedStart({ type: 'redis', url, username: 'nobody', password });
    expect(error).toMatchObject({
      code: 'CONNECTION_FAILED',
      message: expect.stringMatching(/checkpoint store failed: .*WRONGPASS/) as string,
    });
    const shown = inspect(error, { depth: null, showHidden: true });
    for (const secret of [password, encodeURIComponent(password)]) expect(shown).not.toContain(secret);
  });
});

describe('a checkpoint store of type "redis" without a server', () => {
  test('fails the start', async () => {
    expect(await failedStart({ type: 'redis', url: 'redis://127.0.0.1:1' })).toMatchObject({
      code: 'CONNECTION_FAILED',
      message: expect.stringMatching(/checkpoint store failed: .*ECONNREFUSED/) as string,
    });
  });
});

describe('a checkpoint store of type "dynamodb"', async () => {
  const endpoint = await localEndpoint();
  const address = { endpoint, region: 'us-east-1', ...credentials };
  // The engine creates the table for the first group.
  continues(() => ({ type: 'dynamodb', tableName: 'positions', ...address }));

  test('uses the region, the endpoint and the credentials of the engine by default', async () => {
    const fake = new FakeKinesis();
    const engine = await startEngine({
      ...overFake(fake),
      ...address,
      checkpointStore: { type: 'dynamodb' },
    });
    await engine.subscribe('t', () => {}, { group: 'g' });
  });

  test('is closed when the engine stops', async () => {
    const proxy = await TcpProxy.to(endpoint);
    const fake = new FakeKinesis();
    await publish(fake, 1);
    await handle(fake, { type: 'dynamodb', ...address, endpoint: proxy.endpoint }, 1);
    expect(proxy.connections).toBeGreaterThan(0);
    await until('its connections to be closed', () => proxy.open === 0);
  });

  test('without a server fails the start: the error shows no secret', async () => {
    const error = await failedStart({ type: 'dynamodb', ...address, endpoint: 'http://127.0.0.1:1' });
    expect(error).toMatchObject({
      code: 'CONNECTION_FAILED',
      message: expect.stringMatching(/checkpoint store failed: .*ECONNREFUSED/) as string,
    });
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain(credentials.secretAccessKey);
  });
});

test.each([
  ['ioredis', '{ type: "redis", url: "redis://127.0.0.1:1" }'],
  ['@aws-sdk/client-dynamodb', '{ type: "dynamodb" }'],
])(
  'without the package %s, only a configuration that needs it fails, and says what to install',
  async (name, store) => {
    const folder = await mkdtemp(join(tmpdir(), 'polybus-alone-'));
    try {
      const modules = join(folder, 'node_modules');
      const root = fileURLToPath(new URL('../../../..', import.meta.url));
      for (const own of ['core', 'engine-kinesis']) {
        for (const part of ['src', 'package.json'])
          await cp(join(root, 'packages', own, part), join(modules, '@polybus', own, part), {
            recursive: true,
          });
      }
      const dependencies = ['valibot', 'uuidv7', '@aws-sdk/client-kinesis', '@smithy/node-http-handler'];
      for (const one of dependencies) {
        await mkdir(dirname(join(modules, one)), { recursive: true });
        await symlink(join(root, 'node_modules', one), join(modules, one), 'junction');
      }
      const program = join(folder, 'program.mjs');
      await writeFile(
        program,
        `import { kinesisEngine } from '@polybus/engine-kinesis';
         kinesisEngine({ checkpointStore: { type: 'file', folder: 'positions' } });
         await kinesisEngine({ checkpointStore: ${store} }).start().catch((error) => console.log(error.code, error.message));`,
      );
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--import', import.meta.resolve('tsx'), '--conditions=@polybus/source', program],
        { cwd: folder },
      );
      expect(stdout.trim()).toMatch(
        new RegExp(`^MISSING_PACKAGE A checkpoint store of type .* Install it: npm install ${name}$`),
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
