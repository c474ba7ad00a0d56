import type { KafkaConfig } from '../src/index.ts';

/** The client library of the run. */
export const library = process.env['POLYBUS_KAFKA_CLIENT'] === 'platformatic' ? 'platformatic' : 'kafkajs';

/** Short times, for a broker on the machine of the test. */
export const quick = {
  client: library,
  heartbeatIntervalMs: 50,
  sessionTimeoutMs: 6000,
  metadataRefreshMs: 100,
  fetchMaxWaitMs: 50,
  commitIntervalMs: 200,
  publishTimeoutMs: 15_000,
} satisfies KafkaConfig;
