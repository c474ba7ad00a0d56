import { describeEngine } from '@polybus/conformance';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { ownRedis, producer } from './read/foreign.ts';
import { engineUnderTest } from './suite-engine.ts';

describeWithBroker('redis', 'the conformance suite, mode streams', async () => {
  const broker = await ownRedis();
  const redis = producer(broker.url);
  describeEngine('redis, mode "streams"', engineUnderTest, {
    broker,
    deadlineMs: 30_000,
    produce: redis.add,
    config: { url: broker.url, mode: 'streams' },
    processes: {
      module: new URL('./suite-engine.ts', import.meta.url),
      // With the default lease of the suite, which is also the engine's: the figure in docs/choosing-an-engine.md.
      takeoverWithinMs: 10_000,
      attemptsCount: 'after-kill',
    },
  });
});
