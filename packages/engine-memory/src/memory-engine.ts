import { type Engine, type EngineFactory, createEngine } from '@polybus/core/engine';
import { deliveryDefaults } from '@polybus/core/engine-kit';
import { MemoryTransport } from './memory-transport.ts';
import { type DurableMemoryConfig, type MemoryConfig, resolveOptions } from './options.ts';

/**
 * Creates the in-process engine `memory`. It has the least latency, and stores nothing beyond the process. By default it drops an event
 * if a buffer is full, makes one attempt per event, and logs failures.
 *
 * @throws {@link InvalidConfigError} if the configuration is invalid. The error lists every problem.
 */
export function memoryEngine(config: MemoryConfig = {}): Engine {
  return create('memory', config, 'memoryEngine');
}

/**
 * Creates the in-process engine `durable-memory`, which drops no event while the process lives: if a buffer is full, publishers wait, and
 * events expire only if `eventTTL` is set. It retries failed events and writes dead letters. A bus without a configuration uses it.
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
      delay: true,
    },
    open: async (context) => new MemoryTransport(options, context),
    defaults: deliveryDefaults(options),
  });
}
