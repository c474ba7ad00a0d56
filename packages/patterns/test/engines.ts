import { type EventBusOptions, type TypedEventBus, createEventBus } from '@polybus/core';
import { newName } from '@polybus/testbed/engine';
import { type SharedBroker, describeWithBroker, sharedBroker } from '@polybus/testbed/vitest';
import { describe, onTestFinished } from 'vitest';

/** The configuration of an engine, which can be passed to another process as JSON. */
export type Config = Pick<EventBusOptions, 'engine' | 'config'>;

/** Not the console: failing handlers are logged. */
export const quiet = { warn: (): void => {}, error: (): void => {} };

/** Starts a bus, and stops it when the test ends. */
export async function startBus(config: Config): Promise<TypedEventBus<Record<string, unknown>>> {
  const bus = createEventBus({ ...config, logger: quiet });
  onTestFinished(() => bus.stop({ timeoutMs: 2000 }).catch(() => {}));
  await bus.start();
  return bus;
}

/** Configurations with a stream, keys or topics of their own, and quick recoveries from killed processes. */
export const newConfig = {
  redis: ({ url }: SharedBroker<'redis'>): Config => ({
    engine: 'redis-streams',
    config: { url, keyPrefix: `${newName()}:`, claimIdleMs: 1000, blockMs: 500 },
  }),
  kafka: ({ brokers }: SharedBroker<'kafka'>): Config => ({
    engine: 'kafka',
    config: { brokers, numPartitions: 2, sessionTimeoutMs: 6000, rebalanceTimeoutMs: 6000 },
  }),
  kinesis: ({ endpoint, region, credentials }: SharedBroker<'kinesis'>): Config => {
    const { accessKeyId, secretAccessKey } = credentials;
    return {
      engine: 'kinesis',
      config: {
        endpoint,
        region,
        accessKeyId,
        secretAccessKey,
        streamName: newName(),
        checkpointStore: { type: 'redis', url: sharedBroker('redis').url, keyPrefix: `${newName()}:` },
        leaseDurationMs: 3000,
        checkpointIntervalMs: 500,
      },
    };
  },
};

/** Registers a suite for each engine that has groups and whose events reach other processes. */
export function describeBrokers(title: string, suite: (newConfig: () => Config) => void): void {
  describeWithBroker('redis', `${title} on Redis Streams`, (broker) => {
    suite(() => newConfig.redis(broker));
  });
  describeWithBroker('kafka', `${title} on Kafka`, (broker) => {
    suite(() => newConfig.kafka(broker));
  });
  describeWithBroker('kinesis', `${title} on Kinesis`, (broker) => {
    suite(() => newConfig.kinesis(broker));
  });
}

/** Registers a suite for each engine that has groups. */
export function describeEngines(title: string, suite: (newConfig: () => Config) => void): void {
  describe(`${title} on durable-memory`, () => {
    suite(() => ({ engine: 'durable-memory' }));
  });
  describeBrokers(title, suite);
}
