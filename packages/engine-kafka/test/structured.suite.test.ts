import { describeEngine } from '@polybus/conformance';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { kafkaEngine } from '../src/index.ts';
import { ownKafka, producer } from './read/foreign.ts';
import { quick } from './support.ts';

describeWithBroker('kafka', 'the conformance suite, structured', async () => {
  const broker = await ownKafka();
  const { brokers } = broker;
  describeEngine(
    'kafka',
    ({ stallLimitMs, leaseMs = quick.sessionTimeoutMs }) =>
      kafkaEngine({ ...quick, sessionTimeoutMs: leaseMs, brokers, stallLimitMs, numPartitions: 3 }),
    {
      broker,
      deadlineMs: 30_000,
      ...producer(brokers),
    },
  );
});
