import { describeEngine } from '@polybus/conformance';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { kinesisEngine } from '../src/index.ts';
import { addressOf, ownKinesis, producer, quick } from './read/foreign.ts';
import { storesById } from './support.ts';

describeWithBroker('kinesis', 'the conformance suite, checkpoints in memory', async () => {
  const broker = await ownKinesis();
  const { put, removeStream } = producer(broker);
  const config = { ...addressOf(broker), ...quick };
  describeEngine(
    'kinesis',
    ({ id, stallLimitMs, leaseMs }) =>
      kinesisEngine({
        ...config,
        streamName: id,
        stallLimitMs,
        leaseDurationMs: leaseMs,
        foreignTopic: `${id}.events`,
        checkpointStore: storesById(id),
      }),
    { broker, produce: put, cleanup: removeStream, deadlineMs: 30_000 },
  );
});
