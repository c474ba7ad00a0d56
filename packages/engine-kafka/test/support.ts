import type { KafkaConfig } from '../src/index.ts';

/** Times for a broker on this machine, where nobody should wait. */
export const quick = {
  heartbeatIntervalMs: 50,
  sessionTimeoutMs: 6000,
  metadataRefreshMs: 100,
  fetchMaxWaitMs: 50,
  commitIntervalMs: 200,
  publishTimeoutMs: 15_000,
} satisfies KafkaConfig;
