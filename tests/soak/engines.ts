import type { Engine } from '@polybus/core/engine';
import { startKafka, startKinesis, startRedis } from '@polybus/testbed';
import { Redis } from 'ioredis';
import kafkajs from 'kafkajs';
import type { SoakEngine } from './options.ts';

/** What a soak runs on. */
export interface Target {
  /** The broker with its version; undefined if the engine has none. */
  readonly broker?: string;
  /** Creates an engine with the defaults that its users have. */
  readonly makeEngine: () => Engine;
  /** False if each engine has events of its own. */
  readonly isShared: boolean;
  /** Counts the consumer groups of a topic on the broker; undefined if the broker has none. */
  readonly countGroups?: (topic: string) => Promise<number>;
  readonly stop: () => Promise<void>;
}

/** Starts the broker of an engine, which no other program uses. */
export function startTarget(engine: SoakEngine): Promise<Target> {
  return starters[engine]();
}

const starters: Readonly<Record<SoakEngine, () => Promise<Target>>> = {
  async memory() {
    const { memoryEngine } = await import('@polybus/engine-memory');
    return {
      // By default, this engine drops what finds a buffer full.
      makeEngine: () => memoryEngine({ deliveryMode: 'block' }),
      isShared: false,
      stop: () => Promise.resolve(),
    };
  },
  async 'redis-streams'() {
    const { redisEngine } = await import('@polybus/engine-redis');
    const redis = await startRedis({ controllable: true });
    const keyPrefix = 'soak:';
    const client = new Redis(redis.url);
    return {
      broker: `redis ${redis.version}`,
      makeEngine: () => redisEngine({ url: redis.url, mode: 'streams', keyPrefix }),
      isShared: true,
      countGroups: async (topic) => ((await client.xinfo('GROUPS', keyPrefix + topic)) as unknown[]).length,
      async stop() {
        client.disconnect();
        await redis.stop();
      },
    };
  },
  async kafka() {
    const { kafkaEngine } = await import('@polybus/engine-kafka');
    const kafka = await startKafka({ controllable: true });
    const { Kafka, logLevel } = kafkajs;
    const admin = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    return {
      broker: kafka.version.startsWith('kafka') ? kafka.version : `kafka ${kafka.version}`,
      makeEngine: () => kafkaEngine({ brokers: [...kafka.brokers], numPartitions: 4 }),
      isShared: true,
      countGroups: async () => (await admin.listGroups()).groups.length,
      async stop() {
        await admin.disconnect();
        await kafka.stop();
      },
    };
  },
  async kinesis() {
    const { MemoryCheckpointStore, kinesisEngine } = await import('@polybus/engine-kinesis');
    const kinesis = await startKinesis({ controllable: true });
    const { endpoint, region, credentials } = kinesis;
    const checkpointStore = new MemoryCheckpointStore();
    return {
      broker: `kinesis-local ${kinesis.version}`,
      makeEngine: () =>
        kinesisEngine({
          endpoint,
          region,
          ...credentials,
          streamName: 'soak',
          shardCount: 2,
          checkpointStore,
        }),
      isShared: true,
      stop: () => kinesis.stop(),
    };
  },
};
