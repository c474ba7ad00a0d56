import { type Engine, type EngineFactory, createEngine } from '@polybus/core/engine';
import { type __Prefix__Config, resolveOptions } from './options.ts';
import { __Prefix__Transport } from './transport.ts';

/** What a configuration calls this engine. */
const type = '__TYPE__';

/**
 * The __TYPE__ engine.
 *
 * @throws {@link InvalidConfigError} listing every problem of the configuration.
 */
export function __factory__(config: __Prefix__Config = {}): Engine {
  return create(config, '__factory__');
}

/** The engine types of this package, for a bus that is configured by name. */
export const engines: Readonly<Record<string, EngineFactory>> = {
  [type]: (config, { path }) => create(config, path),
};

function create(config: unknown, path: string): Engine {
  const options = resolveOptions(config, path);
  return createEngine({
    type,
    // What the broker can do. The suite holds the engine to each of them, and to refusing the rest.
    capabilities: { durable: false, groups: false, replay: false, partitioned: false, crossProcess: true },
    transport: new __Prefix__Transport(options),
    defaults: {
      workerCount: options.workerCount,
      bufferSize: options.defaultEventBufferSize,
      retry: options.retry,
      deadLetter: options.deadLetter,
      handlerTimeoutMs: options.handlerTimeoutMs,
      stallLimitMs: options.stallLimitMs,
    },
  });
}
