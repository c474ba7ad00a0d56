import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));

describeWithBroker('redis', 'multi-broker', ({ url }) => {
  describeWithBroker('kafka', 'with Kafka', ({ brokers }) => {
    describeWithBroker('kinesis', 'with Kinesis', ({ endpoint }) => {
      test('shows the journey of every order over four brokers, and its totals add up', async () => {
        const { stdout } = await promisify(execFile)(
          process.execPath,
          ['--import', 'tsx', '--conditions=@polybus/source', 'examples/multi-broker/src/main.ts'],
          {
            cwd: root,
            env: {
              ...process.env,
              POLYBUS_TEST_REDIS_URL: url,
              POLYBUS_TEST_KAFKA_BROKERS: brokers.join(','),
              POLYBUS_TEST_KINESIS_ENDPOINT: endpoint,
            },
          },
        );
        for (const order of ['o-1', 'o-2', 'o-3']) {
          expect(stdout).toContain(
            `${order}: cart.checked-out (local) → order.placed (log) → payment.captured (work) → analytics.sale (clicks)`,
          );
        }
        for (const engine of ['local', 'work', 'log', 'clicks']) {
          expect(stdout).toMatch(
            new RegExp(`^${engine}: published 3, delivered \\d+ of \\d+, balanced$`, 'm'),
          );
        }
      }, 90_000);
    });
  });
});
