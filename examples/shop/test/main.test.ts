import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { newName } from '@polybus/testbed/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const timeoutMs = 90_000;

/** Runs the shop with these variables, and returns what it prints. */
async function run(env: Readonly<Record<string, string>>): Promise<string[]> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--conditions=@polybus/source', 'examples/shop/src/main.ts'],
    { cwd: root, env: { ...process.env, ...env } },
  );
  return stdout.trimEnd().split('\n');
}

/** What the shop prints on any broker: three mails, and no order that is charged twice. */
const printedOn = (engine: string): string[] => [
  `The broker is ${engine}.`,
  'Mail to ada: order 1 is paid: receipt for 42, because of order 1',
  'Mail to grace: order 2 is paid: receipt for 7, because of order 2',
  'Mail to ada: order 3 is paid: receipt for 13, because of order 3',
  'ada was charged 55',
  'grace was charged 7',
];

describe('the shop', () => {
  test('runs in memory', async () => {
    expect(await run({})).toEqual(printedOn('durable-memory'));
  });
});

describeWithBroker('redis', 'the shop', ({ url }) => {
  test(
    'runs on Redis Streams, and remembers its orders in Redis',
    async () => {
      const env = { SHOP_ENGINE: 'redis-streams', SHOP_ENGINE_CONFIG_URL: url, DEDUPE_REDIS_URL: url };
      expect(await run({ ...env, SHOP_ENGINE_CONFIG_KEY_PREFIX: `${newName()}:` })).toEqual(
        printedOn('redis-streams'),
      );
    },
    timeoutMs,
  );
});

describeWithBroker('kafka', 'the shop', ({ brokers }) => {
  test(
    'runs on Kafka',
    async () => {
      const env = { SHOP_ENGINE: 'kafka', SHOP_ENGINE_CONFIG_BROKERS: JSON.stringify(brokers) };
      expect(await run(env)).toEqual(printedOn('kafka'));
    },
    timeoutMs,
  );
});

describeWithBroker('redis', 'the shop, with its checkpoints in Redis,', ({ url }) => {
  describeWithBroker('kinesis', 'and its events in Kinesis', ({ endpoint, region, credentials }) => {
    test(
      'runs',
      async () => {
        const env = {
          SHOP_ENGINE: 'kinesis',
          SHOP_ENGINE_CONFIG_ENDPOINT: endpoint,
          SHOP_ENGINE_CONFIG_REGION: region,
          SHOP_ENGINE_CONFIG_ACCESS_KEY_ID: credentials.accessKeyId,
          SHOP_ENGINE_CONFIG_SECRET_ACCESS_KEY: credentials.secretAccessKey,
          SHOP_ENGINE_CONFIG_STREAM_NAME: newName('shop'),
          SHOP_ENGINE_CONFIG_CHECKPOINT_STORE: JSON.stringify({
            type: 'redis',
            url,
            keyPrefix: `${newName()}:`,
          }),
        };
        expect(await run(env)).toEqual(printedOn('kinesis'));
      },
      timeoutMs,
    );
  });
});
