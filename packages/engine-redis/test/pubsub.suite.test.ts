import { describeEngine } from '@polybus/conformance';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { redisEngine } from '../src/index.ts';
import { ownRedis, producer } from './read/foreign.ts';

describeWithBroker('redis', 'the conformance suite, mode pubsub', async () => {
  const broker = await ownRedis();
  const redis = producer(broker.url);
  describeEngine(
    'redis, mode "pubsub"',
    ({ id, stallLimitMs }) => redisEngine({ stallLimitMs, url: broker.url, keyPrefix: `${id}:` }),
    {
      broker,
      deadlineMs: 30_000,
      produce: redis.publish,
    },
  );
});
