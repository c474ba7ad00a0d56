import type { Engine } from '@polybus/core/engine';
import type { RedisConfig } from '@polybus/engine-redis';
import { join } from 'node:path';
import { type EngineName, leaseMs, resendMs } from '../schedule/engines.ts';
import type { Settings } from './settings.ts';

/** What all engines have in common: attempts that a fault does not use up, and a limit for handlers that hang. */
const common = {
  retry: { attempts: 20, backoff: { initialMs: 50, maxMs: 500 } },
  handlerTimeoutMs: 1000,
} as const;

/** Creates the engine of a process. Only its own package is loaded. */
export function makeEngine(settings: Settings): Promise<Engine> {
  return makers[settings.engine](settings);
}

const makers: Readonly<Record<EngineName, (settings: Settings) => Promise<Engine>>> = {
  async 'redis-streams'(settings) {
    const { redisEngine } = await import('@polybus/engine-redis');
    const leases = { claimIdleMs: leaseMs, blockMs: 1000 };
    return redisEngine({ ...common, ...ofRedis(settings), ...leases, mode: 'streams' });
  },
  async 'redis-pubsub'(settings) {
    const { redisEngine } = await import('@polybus/engine-redis');
    return redisEngine({ ...ofRedis(settings), handlerTimeoutMs: common.handlerTimeoutMs });
  },
  async kafka({ address }) {
    const { kafkaEngine } = await import('@polybus/engine-kafka');
    return kafkaEngine({
      ...common,
      brokers: [address],
      numPartitions: 4,
      sessionTimeoutMs: leaseMs,
      heartbeatIntervalMs: leaseMs / 10,
      rebalanceTimeoutMs: leaseMs * 2,
      metadataRefreshMs: 500,
      publishTimeoutMs: 20_000,
    });
  },
  async kinesis({ address, prefix, folder }) {
    const { kinesisEngine } = await import('@polybus/engine-kinesis');
    const { FileCheckpointStore } = await import('@polybus/engine-kinesis/file');
    return kinesisEngine({
      ...common,
      endpoint: address,
      accessKeyId: 'test',
      secretAccessKey: 'test',
      streamName: prefix,
      shardCount: 3,
      pollInterval: 200,
      leaseDurationMs: leaseMs,
      checkpointIntervalMs: leaseMs / 10,
      requestTimeoutMs: resendMs,
      checkpointStore: new FileCheckpointStore(join(folder, 'checkpoints')),
    });
  },
  async memory() {
    const { memoryEngine } = await import('@polybus/engine-memory');
    return memoryEngine({ handlerTimeoutMs: common.handlerTimeoutMs });
  },
  async 'durable-memory'() {
    const { durableMemoryEngine } = await import('@polybus/engine-memory');
    return durableMemoryEngine(common);
  },
};

function ofRedis({ address, prefix }: Settings): RedisConfig {
  return { url: address, keyPrefix: `${prefix}:`, commandTimeoutMs: 2000 };
}
