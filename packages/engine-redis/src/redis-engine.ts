import {
  type Engine,
  type EngineFactory,
  type Transport,
  type TransportContext,
  createEngine,
} from '@polybus/core/engine';
import { commandError } from './errors.ts';
import { type RedisConfig, type RedisOptions, type RedisType, resolveOptions } from './options/options.ts';
import { PubSubTransport } from './pubsub-transport.ts';
import { StreamsTransport } from './streams-transport.ts';

/**
 * The Redis engine: Pub/Sub (`mode: 'pubsub'`, the default: lowest latency, keeps no events) or Streams (`mode: 'streams'`: durable,
 * with consumer groups and replay).
 *
 * @throws {@link InvalidConfigError} listing every problem of the configuration.
 */
export function redisEngine(config: RedisConfig = {}): Engine {
  return create(config, 'redisEngine', 'redis');
}

/** The engine types of this package, for a bus that is configured by name. */
export const engines: Readonly<Record<string, EngineFactory>> = {
  redis: (config, { path }) => create(config, path, 'redis'),
  'redis-streams': (config, { path }) => create(config, path, 'redis-streams'),
};

function create(config: unknown, path: string, type: RedisType): Engine {
  const options = resolveOptions(config, path, type);
  const isDurable = options.mode === 'streams';
  return createEngine({
    type,
    capabilities: {
      durable: isDurable,
      groups: isDurable,
      replay: isDurable,
      partitioned: false,
      crossProcess: true,
      delay: isDurable,
    },
    open: (context) => open(options, context),
    defaults: options.delivery,
  });
}

async function open(options: RedisOptions, context: TransportContext): Promise<Transport> {
  const transport = options.mode === 'streams' ? StreamsTransport : PubSubTransport;
  try {
    return await transport.open(options, context);
  } catch (error) {
    throw commandError(error, { engine: context.name });
  }
}
