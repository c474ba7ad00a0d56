import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startKafka, startKinesis, startRedis, type Broker } from '../src/index.ts';
import { providersFromEnvironment } from '../src/environment.ts';
import { describeWithBroker } from '../src/vitest/vitest.ts';

beforeEach(() => {
  // These tests are about addresses, wherever the run has its brokers from.
  vi.stubEnv('POLYBUS_TEST_PROVIDERS', '');
});
afterEach(() => {
  vi.unstubAllEnvs();
});

async function expectForeign(broker: Broker, start: () => Promise<Broker>): Promise<void> {
  expect(broker).toMatchObject({ provider: 'url', controllable: false });
  for (const control of [broker.restart, broker.pause, broker.resume, broker.kill]) {
    await expect(control()).rejects.toThrow('it was given by address');
  }
  await broker.stop();
  // It is not ours to stop: it still answers.
  expect(await start()).toMatchObject({ provider: 'url' });
}

describeWithBroker('redis', 'a Redis given by URL', ({ url }) => {
  test('is used, and neither controlled nor stopped', async () => {
    vi.stubEnv('POLYBUS_TEST_REDIS_URL', url);
    const broker = await startRedis();
    expect(broker.url).toBe(url);
    expect(broker.version).toMatch(/^\d+\.\d+/);
    await expectForeign(broker, startRedis);
  });

  test('is not used if settings or controls are needed', async () => {
    vi.stubEnv('POLYBUS_TEST_REDIS_URL', url);
    await expect(startRedis({ providers: ['url'], password: 'x' })).rejects.toThrow(
      'the broker needs settings',
    );
    await expect(startRedis({ providers: ['url'], controllable: true })).rejects.toThrow('no redis broker');
  });

  test('causes an error if it does not answer, and does not count as a missing broker', async () => {
    vi.stubEnv('POLYBUS_TEST_REDIS_URL', 'redis://127.0.0.1:1');
    const start = startRedis({ timeoutMs: 300 });
    await expect(start).rejects.toThrow('POLYBUS_TEST_REDIS_URL is set, but no redis answers there');
  });
});

describeWithBroker('kafka', 'a Kafka given by address', ({ brokers }) => {
  test('is used, and neither controlled nor stopped', async () => {
    vi.stubEnv('POLYBUS_TEST_KAFKA_BROKERS', brokers.join(','));
    const broker = await startKafka();
    expect(broker.brokers).toEqual(brokers);
    await expectForeign(broker, startKafka);
  });
});

describeWithBroker('kinesis', 'a Kinesis given by endpoint', ({ endpoint }) => {
  test('is used, and neither controlled nor stopped', async () => {
    vi.stubEnv('POLYBUS_TEST_KINESIS_ENDPOINT', endpoint);
    const broker = await startKinesis();
    expect(broker.endpoint).toBe(endpoint);
    await expectForeign(broker, startKinesis);
  });
});

test('providers can be limited and ordered by the environment', () => {
  vi.stubEnv('POLYBUS_TEST_PROVIDERS', ' local , url ');
  expect(providersFromEnvironment()).toEqual(['local', 'url']);
  vi.stubEnv('POLYBUS_TEST_PROVIDERS', 'podman');
  expect(() => providersFromEnvironment()).toThrow('unknown provider "podman"');
});
