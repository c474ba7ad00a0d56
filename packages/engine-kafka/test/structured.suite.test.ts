import { describeEngine } from '@polybus/conformance';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { ownKafka, producer } from './read/foreign.ts';
import { engineUnderTest } from './suite-engine.ts';

describeWithBroker('kafka', 'the conformance suite, structured', async () => {
  const broker = await ownKafka();
  const { brokers } = broker;
  describeEngine('kafka', engineUnderTest, {
    broker,
    deadlineMs: 30_000,
    config: { brokers },
    processes: {
      module: new URL('./suite-engine.ts', import.meta.url),
      // With the default lease of the suite, which is also the engine's: the figure in docs/choosing-an-engine.md.
      takeoverWithinMs: 10_000,
      attemptsCount: 'after-stop',
    },
    ...producer(brokers),
  });
});
