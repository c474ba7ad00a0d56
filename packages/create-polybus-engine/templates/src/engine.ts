import { type Engine, type EngineFactory, createEngine } from '@polybus/core/engine';
import { deliveryDefaults } from '@polybus/core/engine-kit';
import { type __Prefix__Config, resolveOptions } from './options.ts';
import { __Prefix__Transport } from './transport.ts';

/** The type of this engine in a configuration. */
const type = '__TYPE__';

/**
 * The __TYPE__ engine.
 *
 * @throws {@link InvalidConfigError} listing every problem of the configuration.
 */
export function __factory__(config: __Prefix__Config = {}): Engine {
  return create(config, '__factory__');
}

/** The engine types of this package. A bus looks here for the type in its configuration. */
export const engines: Readonly<Record<string, EngineFactory>> = {
  [type]: (config, { path }) => create(config, path),
};

function create(config: unknown, path: string): Engine {
  const options = resolveOptions(config, path);
  return createEngine({
    type,
    // What the broker can do. The suite tests each capability, and that the engine refuses calls that need a missing one.
    capabilities: { durable: false, groups: false, replay: false, partitioned: false, crossProcess: true },
    open: (context) => __Prefix__Transport.open(options, context),
    defaults: deliveryDefaults(options),
  });
}
