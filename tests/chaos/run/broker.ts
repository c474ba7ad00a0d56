import type { EngineName } from '../schedule/engines.ts';

/** The broker of a runner, which no other uses, and a proxy in front of it. */
export interface ChaosBroker {
  /** With its version: `redis 7.0.15`. */
  readonly version: string;
  /** Where processes reach it, through the proxy. */
  readonly address: string;
  restart(): Promise<void>;
  kill(): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  reset(): void;
  /** Nothing passes while they are stalled. */
  stallConnections(isStalled: boolean): void;
  refuseConnections(isRefusing: boolean): void;
  /** Takes the memory from it, or gives it back. */
  setFull(isFull: boolean): Promise<void>;
  addPartitions(topics: readonly string[]): Promise<void>;
  /** Splits a shard of a stream and merges two others. */
  reshard(stream: string): Promise<void>;
  /** Removes what a schedule has left, as far as that is necessary. */
  clean(prefix: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the broker of an engine; undefined for the memory engines. */
export async function startBroker(engine: EngineName): Promise<ChaosBroker | undefined> {
  if (engine === 'kafka') return (await import('./kafka.ts')).startKafkaForChaos();
  if (engine === 'kinesis') return (await import('./kinesis.ts')).startKinesisForChaos();
  if (engine === 'redis-streams' || engine === 'redis-pubsub')
    return (await import('./redis.ts')).startRedisForChaos();
  return undefined;
}
