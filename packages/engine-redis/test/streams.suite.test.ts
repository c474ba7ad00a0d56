import { describeEngine } from '@polybus/conformance';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { redisEngine } from '../src/index.ts';
import { ownRedis, producer } from './read/foreign.ts';

describeWithBroker('redis', 'the conformance suite, mode streams', async () => {
  const broker = await ownRedis();
  const redis = producer(broker.url);
  describeEngine(
    'redis, mode "streams"',
    ({ id, stallLimitMs, leaseMs }) =>
      redisEngine({
        mode: 'streams',
        stallLimitMs,
        claimIdleMs: leaseMs,
        url: broker.url,
        keyPrefix: `${id}:`,
      }),
    {
      broker,
      deadlineMs: 30_000,
      produce: redis.add,
    },
  );
});
