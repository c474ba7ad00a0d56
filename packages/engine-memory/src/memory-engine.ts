import { type Engine, type EngineFactory, createEngine } from '@polybus/core/engine';
import { deliveryDefaults } from '@polybus/core/engine-kit';
import { MemoryTransport } from './memory-transport.ts';
import { type DurableMemoryConfig, type MemoryConfig, resolveOptions } from './options.ts';

/**
 * The in-process engine: the least latency, and nothing outlives the process. By default it drops what a full buffer
 * cannot take, tries a handler once, and logs what failed.
 *
 * @throws {@link InvalidConfigError} if the configuration is invalid. The error lists every problem.
 */
export function memoryEngine(config: MemoryConfig = {}): Engine {
  return create('memory', config, 'memoryEngine');
}

/**
 * The in-process engine that loses nothing while the process lives: it only ever blocks the publisher, and events expire only if
 * `eventTTL` says so. What fails is retried and dead-lettered, as on a broker. A bus without a configuration has it.
 *
 * @throws {@link InvalidConfigError} if the configuration is invalid. The error lists every problem.
 */
export function durableMemoryEngine(config: DurableMemoryConfig = {}): Engine {
  return create('durable-memory', config, 'durableMemoryEngine');
}

/** The engine types of this package, for a bus that is configured by name. */
export const engines: Readonly<Record<string, EngineFactory>> = {
  memory: (config, { path }) => create('memory', config, path),
  'durable-memory': (config, { path }) => create('durable-memory', config, path),
};

function create(type: 'memory' | 'durable-memory', config: unknown, path: string): Engine {
  const options = resolveOptions(config, type === 'durable-memory', path);
  return createEngine({
    type,
    capabilities: {
      durable: false,
      groups: true,
      replay: options.historySize > 0,
      partitioned: false,
      crossProcess: false,
    },
    open: async (context) => new MemoryTransport(options, context),
    defaults: deliveryDefaults(options),
  });
}
