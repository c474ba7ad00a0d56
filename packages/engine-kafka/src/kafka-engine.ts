import { type Engine, type EngineFactory, createEngine } from '@polybus/core/engine';
import { KafkaTransport } from './kafka-transport.ts';
import type { KafkaConfig } from './options/config.ts';
import { resolveOptions } from './options/options.ts';

/**
 * The Kafka engine: durable, with consumer groups, replay, and order per key.
 *
 * @throws {@link InvalidConfigError} listing every problem of the configuration.
 */
export function kafkaEngine(config: KafkaConfig = {}): Engine {
  return create(config, 'kafkaEngine');
}

/** The engine types of this package, for a bus that is configured by name. */
export const engines: Readonly<Record<string, EngineFactory>> = {
  kafka: (config, { path }) => create(config, path),
};

function create(config: unknown, path: string): Engine {
  const options = resolveOptions(config, path);
  return createEngine({
    type: 'kafka',
    capabilities: {
      durable: true,
      groups: true,
      replay: true,
      partitioned: true,
      crossProcess: true,
      delay: true,
    },
    open: (context) => KafkaTransport.open(options, context),
    defaults: options.delivery,
  });
}
