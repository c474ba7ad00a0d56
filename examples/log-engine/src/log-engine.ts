import { type Engine, type EngineFactory, createEngine } from '@polybus/core/engine';
import { deliveryDefaults } from '@polybus/core/engine-kit';
import { LogTransport } from './log-transport.ts';
import { type LogConfig, resolveOptions } from './options.ts';

/**
 * Creates an engine on the toy broker in a folder.
 *
 * @throws {@link InvalidConfigError} if the configuration is invalid. The error lists every problem.
 */
export function logEngine(config: LogConfig): Engine {
  return create(config, 'logEngine');
}

/** The engine types of this package. A bus looks here for the type in its configuration. */
export const engines: Readonly<Record<string, EngineFactory>> = {
  log: (config, { path }) => create(config, path),
};

function create(config: unknown, path: string): Engine {
  const options = resolveOptions(config, path);
  return createEngine({
    type: 'log',
    capabilities: {
      durable: true,
      groups: true,
      replay: true,
      partitioned: true,
      crossProcess: true,
      delay: true,
    },
    open: (context) => LogTransport.open(options, context),
    defaults: deliveryDefaults(options),
  });
}
