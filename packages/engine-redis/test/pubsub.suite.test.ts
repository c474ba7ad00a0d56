import { describeEngine } from '@polybus/conformance';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { ownRedis, producer } from './read/foreign.ts';
import { engineUnderTest } from './suite-engine.ts';

describeWithBroker('redis', 'the conformance suite, mode pubsub', async () => {
  const broker = await ownRedis();
  const redis = producer(broker.url);
  describeEngine('redis, mode "pubsub"', engineUnderTest, {
    broker,
    deadlineMs: 30_000,
    produce: redis.publish,
    config: { url: broker.url, mode: 'pubsub' },
    processes: { module: new URL('./suite-engine.ts', import.meta.url) },
  });
});
