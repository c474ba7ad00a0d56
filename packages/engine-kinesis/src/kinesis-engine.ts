import { type Engine, type EngineFactory, createEngine } from '@polybus/core/engine';
import { KinesisTransport } from './kinesis-transport.ts';
import type { KinesisConfig } from './options/config.ts';
import { isShared, resolveOptions } from './options/options.ts';

/**
 * The Kinesis engine: one stream carries all topics, with replay and consumer groups. Groups need the option
 * `checkpointStore`. The engine is `durable` if this store outlives the process.
 *
 * @throws {@link InvalidShardCountError} if `shardCount` is not a whole number of at least 1.
 * @throws {@link InvalidConfigError} that lists every other problem of the configuration.
 */
export function kinesisEngine(config: KinesisConfig = {}): Engine {
  return create(config, 'kinesisEngine');
}

/** The engine types of this package, for a bus whose configuration names its engines. */
export const engines: Readonly<Record<string, EngineFactory>> = {
  kinesis: (config, { path }) => create(config, path),
};

function create(config: unknown, path: string): Engine {
  const options = resolveOptions(config, path);
  return createEngine({
    type: 'kinesis',
    capabilities: {
      durable: isShared(options.store),
      groups: options.store !== undefined,
      replay: true,
      partitioned: true,
      crossProcess: true,
    },
    open: (context) => KinesisTransport.open(options, context),
    defaults: options.delivery,
  });
}
