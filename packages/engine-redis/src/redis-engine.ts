import { type Engine, type EngineFactory, createEngine } from '@polybus/core/engine';
import { type RedisConfig, resolveOptions } from './options/options.ts';
import { PubSubTransport } from './pubsub-transport.ts';
import { StreamsTransport } from './streams-transport.ts';

/**
 * The Redis engine: Pub/Sub (`mode: 'pubsub'`, the default: lowest latency, keeps no events) or Streams (`mode: 'streams'`: durable,
 * with consumer groups and replay).
 *
 * @throws {@link InvalidConfigError} listing every problem of the configuration.
 */
export function redisEngine(config: RedisConfig = {}): Engine {
  return create(config, 'redisEngine');
}

/** The engine types of this package, for a bus that is configured by name. */
export const engines: Readonly<Record<string, EngineFactory>> = {
  redis: (config, { path }) => create(config, path),
};

function create(config: unknown, path: string): Engine {
  const options = resolveOptions(config, path);
  const isDurable = options.mode === 'streams';
  return createEngine({
    type: 'redis',
    capabilities: {
      durable: isDurable,
      groups: isDurable,
      replay: isDurable,
      partitioned: false,
      crossProcess: true,
    },
    open: (context) =>
      isDurable ? StreamsTransport.open(options, context) : PubSubTransport.open(options, context),
    defaults: options.delivery,
  });
}
