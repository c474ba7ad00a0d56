/** Reads more often than AWS allows, because a local server has no limits and no costs. Timeouts are long, for a busy machine. */
export const quick = {
  shardCount: 2,
  pollInterval: 100,
  readsPerSecond: 50,
  checkpointIntervalMs: 50,
  requestTimeoutMs: 20_000,
  publishTimeoutMs: 20_000,
} as const;
