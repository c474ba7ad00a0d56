import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Event, createEventBus, loadConfig } from '@polybus/core';
import { newName } from '@polybus/testbed/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { describe, expect, onTestFinished, test } from 'vitest';

const keys = ['ada', 'grace', 'alan'];
const perKey = 10;

/** One program and one file: only the environment says which engine it runs on. */
async function program(env: Readonly<Record<string, string>>): Promise<Record<string, number[]>> {
  const folder = await mkdtemp(join(tmpdir(), 'polybus-program-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'polybus.yaml');
  await writeFile(file, 'engine: durable-memory\nconfig:\n  retry: { attempts: 3 }\nsource: /shop\n');
  const bus = createEventBus(await loadConfig({ file, env, envPrefix: 'SHOP_' }));
  onTestFinished(() => bus.stop({ timeoutMs: 5000 }).catch(() => {}));
  await bus.start();
  // Brokers are shared by several runs.
  const topic = newName('order.placed');
  const handled: Record<string, number[]> = {};
  let failed = false;
  await bus.subscribe(
    topic,
    ({ key, payload }: Event<{ readonly step: number }>) => {
      if (!failed) {
        failed = true;
        throw new Error('the first attempt of the first event fails');
      }
      (handled[key!] ??= []).push(payload.step);
    },
    { group: 'billing', from: 'earliest', retry: { attempts: 3, backoff: { initialMs: 10 } } },
  );
  for (let step = 0; step < perKey; step++)
    for (const key of keys) await bus.publish(topic, { step }, { key });
  await expect
    .poll(() => Object.values(handled).flat().length, { timeout: 30_000 })
    .toBe(keys.length * perKey);
  await bus.stop();
  return handled;
}

const inOrder = Object.fromEntries(keys.map((key) => [key, Array.from({ length: perKey }, (_, i) => i)]));

describe('one program, with the engine in the environment', () => {
  test('runs on durable-memory', async () => {
    expect(await program({})).toEqual(inOrder);
  });
});

describeWithBroker('redis', 'one program, with the engine in the environment', ({ url }) => {
  test('runs on Redis Streams', async () => {
    const env = {
      SHOP_ENGINE: 'redis',
      SHOP_EXTERNAL_BROKER_URL: url,
      SHOP_ENGINE_CONFIG_MODE: 'streams',
      SHOP_ENGINE_CONFIG_KEY_PREFIX: `${newName('shop')}:`,
    };
    expect(await program(env)).toEqual(inOrder);
  });

  test('runs on redis-streams, which needs no mode', async () => {
    const env = {
      SHOP_ENGINE: 'redis-streams',
      SHOP_ENGINE_CONFIG_URL: url,
      SHOP_ENGINE_CONFIG_KEY_PREFIX: `${newName('shop')}:`,
    };
    expect(await program(env)).toEqual(inOrder);
  });
});

describeWithBroker('kafka', 'one program, with the engine in the environment', ({ brokers }) => {
  test('runs on Kafka', async () => {
    const env = {
      SHOP_ENGINE: 'kafka',
      SHOP_ENGINE_CONFIG_BROKERS: JSON.stringify(brokers),
      SHOP_ENGINE_CONFIG_NUM_PARTITIONS: '2',
    };
    expect(await program(env)).toEqual(inOrder);
  });
});

describeWithBroker('kinesis', 'one program, with the engine in the environment', (broker) => {
  test('runs on Kinesis', async () => {
    const { endpoint, region, credentials } = broker;
    const folder = await mkdtemp(join(tmpdir(), 'polybus-positions-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const env = {
      SHOP_ENGINE: 'kinesis',
      SHOP_ENGINE_CONFIG_ENDPOINT: endpoint,
      SHOP_ENGINE_CONFIG_REGION: region,
      SHOP_ENGINE_CONFIG_ACCESS_KEY_ID: credentials.accessKeyId,
      SHOP_ENGINE_CONFIG_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      SHOP_ENGINE_CONFIG_STREAM_NAME: newName('shop'),
      SHOP_ENGINE_CONFIG_CHECKPOINT_STORE__TYPE: 'file',
      SHOP_ENGINE_CONFIG_CHECKPOINT_STORE__FOLDER: folder,
    };
    expect(await program(env)).toEqual(inOrder);
  });
});
