/** The engines that a schedule can run on. */
export const engineNames = [
  'redis-streams',
  'kafka',
  'kinesis',
  'redis-pubsub',
  'memory',
  'durable-memory',
] as const;

export type EngineName = (typeof engineNames)[number];

/** On these, an accepted event is handled, whatever happens to processes and the broker. */
export const durableEngines: readonly EngineName[] = ['redis-streams', 'kafka', 'kinesis'];

/**
 * How long a member of a group may be silent before others take its events, in milliseconds: the options `claimIdleMs`,
 * `sessionTimeoutMs` and `leaseDurationMs`. Far below the defaults, so that a short schedule sees leases end.
 */
export const leaseMs = 3000;

/** How long an engine that sends events again waits for an answer, in milliseconds: `requestTimeoutMs` of Kinesis. */
export const resendMs = 5000;
