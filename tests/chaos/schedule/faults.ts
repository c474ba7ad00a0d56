import type { EngineName } from './engines.ts';

/** Each kind of fault, with what it does. The documentation shows these sentences. */
export const faultKinds = {
  'kill-consumer': 'SIGKILL of a consumer; a new one starts a moment later',
  'terminate-consumer': 'SIGTERM of a consumer; a new one starts a moment later',
  'freeze-consumer': 'SIGSTOP of a consumer for half to twice its lease, then SIGCONT',
  'kill-producer': 'SIGKILL of a producer; a new one starts a moment later',
  'terminate-producer': 'SIGTERM of a producer; a new one starts a moment later',
  'freeze-producer': 'SIGSTOP of a producer, then SIGCONT',
  join: 'a further consumer joins the group and leaves later',
  leave: 'a consumer cancels its subscription and subscribes again later',
  throw: 'the handlers of a consumer throw',
  hang: 'the handlers of a consumer hang until their timeout',
  slow: 'the handlers of a consumer are slow',
  'stall-loop': 'the event loop of a consumer is blocked for half to twice its lease',
  'set-clock': 'the time of day of every process jumps by an hour, forward or back, and returns later',
  'restart-broker': 'the broker stops in order and starts again',
  'kill-broker': 'SIGKILL of the broker, which starts again a moment later',
  'pause-broker': 'SIGSTOP of the broker, then SIGCONT',
  'reset-connections': 'every connection to the broker is reset',
  'stall-connections': 'connections to the broker stay open, and nothing passes',
  'refuse-connections': 'every connection to the broker is reset, and new ones are refused for a while',
  'full-redis':
    'Redis has no memory left (maxmemory, noeviction) and refuses writes, until the limit is lifted',
  'add-partitions': 'partitions are added to the topics',
  reshard: 'a shard is split, and two adjacent shards are merged',
} as const;

export type FaultKind = keyof typeof faultKinds;

const ofProcesses: readonly FaultKind[] = [
  'kill-consumer',
  'terminate-consumer',
  'freeze-consumer',
  'kill-producer',
  'terminate-producer',
  'freeze-producer',
  'join',
  'leave',
];
const ofHandlers: readonly FaultKind[] = ['throw', 'hang', 'slow', 'stall-loop', 'set-clock'];
const ofNetwork: readonly FaultKind[] = ['reset-connections', 'stall-connections', 'refuse-connections'];
const ofBroker: readonly FaultKind[] = ['restart-broker', 'pause-broker'];

/** The faults that can happen to each engine. */
export const faultsOf: Readonly<Record<EngineName, readonly FaultKind[]>> = {
  'redis-streams': [...ofProcesses, ...ofHandlers, ...ofNetwork, ...ofBroker, 'kill-broker', 'full-redis'],
  kafka: [...ofProcesses, ...ofHandlers, ...ofNetwork, ...ofBroker, 'kill-broker', 'add-partitions'],
  // Its emulator loses its data if it is killed.
  kinesis: [...ofProcesses, ...ofHandlers, ...ofNetwork, ...ofBroker, 'reshard'],
  'redis-pubsub': [...ofProcesses, ...ofHandlers, ...ofNetwork, ...ofBroker, 'kill-broker'],
  memory: ofHandlers,
  'durable-memory': ofHandlers,
};
