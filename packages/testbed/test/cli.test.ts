import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { describeWithBroker } from '../src/vitest/vitest.ts';
import { runNode, typescript } from './support/child.ts';
import { traces } from './support/leftovers.ts';

const START_MS = 30_000;
const cli = new URL('../src/cli.ts', import.meta.url);
/** The brokers must come from this machine, whatever the environment of the tests. */
const owned = { POLYBUS_TEST_REDIS_URL: undefined, POLYBUS_TEST_KINESIS_ENDPOINT: undefined };

describeWithBroker('redis', 'npm run brokers', () => {
  test('runs brokers until Ctrl-C and leaves nothing behind', async () => {
    const left = traces();
    onTestFinished(left.clear);
    const child = runNode(typescript(cli, 'redis', 'kinesis'), { ...left.env, ...owned });
    onTestFinished(() => {
      child.signal('SIGKILL');
    });
    await child.sees(/until Ctrl-C/, START_MS);
    expect(child.output).toMatch(/^ broker +version +provider +start-up$/m);
    const url = /^export POLYBUS_TEST_REDIS_URL=(redis:.*)$/m.exec(child.output)?.[1] ?? '';
    const endpoint = /^export POLYBUS_TEST_KINESIS_ENDPOINT=(http:.*)$/m.exec(child.output)?.[1] ?? '';
    const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
    await client.connect();
    expect(await client.ping()).toBe('PONG');
    client.disconnect();
    child.signal('SIGINT');
    expect(await child.ended).toBe(0);
    expect(await left.gone([Number(new URL(url).port), Number(new URL(endpoint).port)])).toEqual([]);
  });

  test('says which broker is missing and how to provide it', async () => {
    const child = runNode(typescript(cli, 'redis'), { ...owned, POLYBUS_TEST_PROVIDERS: 'url' });
    expect(await child.ended).toBe(1);
    expect(child.output).toContain('no redis broker on this machine');
    expect(child.output).toContain('set POLYBUS_TEST_REDIS_URL, or start Docker, or install redis-server');
  });

  test('refuses an unknown broker name', async () => {
    const child = runNode(typescript(cli, 'rabbit'), {});
    expect(await child.ended).toBe(1);
    expect(child.output).toContain('unknown broker "rabbit"; the brokers are redis, kafka, kinesis');
  });
});
