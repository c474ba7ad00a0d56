import { type Engine, type EngineFactory, createEngine } from '@polybus/core/engine';
import { KinesisTransport } from './kinesis-transport.ts';
import { type KinesisConfig, resolveOptions } from './options/options.ts';

/**
 * The Kinesis engine: one stream for all topics, with replay and consumer groups. It is `durable` with a checkpoint store that outlives
 * the process; without one, groups go on where they left off for as long as the process lives.
 *
 * @throws {@link InvalidShardCountError} where `shardCount` is not a whole number of at least 1.
 * @throws {@link InvalidConfigError} listing every other problem of the configuration.
 */
export function kinesisEngine(config: KinesisConfig = {}): Engine {
  return create(config, 'kinesisEngine');
}

/** The engine types of this package, for a bus that is configured by name. */
export const engines: Readonly<Record<string, EngineFactory>> = {
  kinesis: (config, { path }) => create(config, path),
};

function create(config: unknown, path: string): Engine {
  const options = resolveOptions(config, path);
  return createEngine({
    type: 'kinesis',
    capabilities: {
      durable: options.store.isShared,
      groups: true,
      replay: true,
      partitioned: true,
      crossProcess: true,
    },
    transport: new KinesisTransport(options),
    defaults: {
      workerCount: options.workerCount,
      bufferSize: options.bufferSize,
      retry: options.retry,
      deadLetter: options.deadLetter,
      handlerTimeoutMs: options.handlerTimeoutMs,
      stallLimitMs: options.stallLimitMs,
      ttlMs: options.ttlMs,
    },
  });
}
