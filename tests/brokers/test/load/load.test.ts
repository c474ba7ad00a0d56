import { kafkaEngine } from '@polybus/engine-kafka';
import { MemoryCheckpointStore, kinesisEngine } from '@polybus/engine-kinesis';
import { durableMemoryEngine } from '@polybus/engine-memory';
import { redisEngine } from '@polybus/engine-redis';
import { newName } from '@polybus/testbed/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { describe } from 'vitest';
import { type LoadSizes, isFull, loadTests } from './load.ts';

const full: LoadSizes = {
  subscriptions: 10_000,
  topics: 1000,
  groups: 64,
  deadLetters: 100_000,
  payloadBytes: 2 ** 20,
};

/** Without `POLYBUS_LOAD=full`, the parts that a broker is slow at are smaller. */
function sizes(short: Partial<LoadSizes>, limits: Partial<LoadSizes> = {}): LoadSizes {
  return { ...full, ...limits, ...(isFull ? {} : short) };
}

describe('load on durable-memory', () => {
  loadTests(() => durableMemoryEngine({ historySize: 2 * full.deadLetters }), sizes({ deadLetters: 5000 }));
});

describeWithBroker('redis', 'load on Redis Streams', ({ url }) => {
  loadTests(
    () => redisEngine({ url, mode: 'streams', keyPrefix: `${newName('load')}:`, maxLen: 1_000_000 }),
    sizes({ subscriptions: 2000, topics: 300, deadLetters: 1000 }),
  );
});

describeWithBroker('kafka', 'load on Kafka', ({ brokers }) => {
  loadTests(
    () => kafkaEngine({ brokers: [...brokers], numPartitions: 1 }),
    // The limit of a record batch is 1 MiB with everything in it, by the defaults of the broker.
    sizes({ subscriptions: 2000, topics: 100, groups: 16, deadLetters: 1000 }, { payloadBytes: 1_000_000 }),
  );
});

// The emulator of Kinesis is too slow for a part in every run.
if (isFull) {
  describeWithBroker('kinesis', 'load on Kinesis', ({ endpoint, region, credentials }) => {
    loadTests(
      () =>
        kinesisEngine({
          endpoint,
          region,
          ...credentials,
          streamName: newName('load'),
          shardCount: 1,
          pollInterval: 100,
          readsPerSecond: 50,
          checkpointStore: new MemoryCheckpointStore(),
        }),
      // A record is limited to 1 MiB with its partition key.
      sizes({}, { subscriptions: 1000, topics: 50, groups: 8, deadLetters: 1000, payloadBytes: 500_000 }),
    );
  });
}
