import { type Engine, type EngineFactory, createEngine } from '@polybus/core/engine';
import { CustomTransport } from './custom-transport.ts';
import { type EventMetrics, MetricsRecorder } from './metrics.ts';
import { type CustomMemoryConfig, resolveOptions } from './options.ts';

/** An engine that can be asked for its metrics. */
export interface CustomEngine extends Engine {
  /** Undefined if `enableMetrics` is false. */
  metrics(): EventMetrics | undefined;
  resetMetrics(): void;
}

/**
 * The custom engine runs in-process, filters events by topic, and measures the events that it carries.
 *
 * @throws {@link InvalidConfigError} if the configuration is invalid. The error lists every problem.
 */
export function customEngine(config: CustomMemoryConfig = {}): CustomEngine {
  return create(config, 'customEngine');
}

/** The factory for `type: custom` in a configuration: polybus looks for this export in the package `polybus-engine-custom`. */
export const engines: Readonly<Record<string, EngineFactory>> = {
  custom: (config, { path }) => create(config, path),
};

function create(config: unknown, path: string): CustomEngine {
  const options = resolveOptions(config, path);
  const metrics = options.enableMetrics ? new MetricsRecorder() : undefined;
  const engine = createEngine({
    type: 'custom',
    capabilities: { durable: false, groups: false, replay: false, partitioned: false, crossProcess: false },
    open: async (context) => new CustomTransport(options, metrics, context),
    defaults: {
      workerCount: options.workerCount,
      bufferSize: options.defaultEventBufferSize,
      retry: false,
      deadLetter: false,
      stallLimitMs: options.stallLimitMs,
    },
  });
  return Object.assign(engine, metrics === undefined ? unmeasured : measured(engine, metrics));
}

const unmeasured: Pick<CustomEngine, 'metrics' | 'resetMetrics'> = {
  metrics: () => undefined,
  resetMetrics: () => {},
};

/** Makes an engine measure the time of its handlers. */
function measured(
  engine: Engine,
  recorder: MetricsRecorder,
): Pick<CustomEngine, 'subscribe' | 'subscribeAsync' | 'metrics' | 'resetMetrics'> {
  const subscribe = engine.subscribe.bind(engine);
  const subscribeAsync = engine.subscribeAsync.bind(engine);
  return {
    subscribe: (topic, handler, options) => subscribe(topic, recorder.timed(handler), options),
    subscribeAsync: (topic, handler, options) => subscribeAsync(topic, recorder.timed(handler), options),
    metrics: () => recorder.snapshot(),
    resetMetrics: () => recorder.reset(),
  };
}
