import { describeEngine } from '@polybus/conformance';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { addressOf, ownKinesis, producer } from './read/foreign.ts';
import { engineUnderTest } from './suite-engine.ts';

describeWithBroker('kinesis', 'the conformance suite, checkpoints in memory', async () => {
  const broker = await ownKinesis();
  const { put, removeStream } = producer(broker);
  describeEngine('kinesis', engineUnderTest, {
    broker,
    produce: put,
    cleanup: removeStream,
    deadlineMs: 30_000,
    config: { address: addressOf(broker) },
    processes: { module: new URL('./suite-engine.ts', import.meta.url) },
  });
});
