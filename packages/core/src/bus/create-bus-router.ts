import type { ParsedConfig } from '../config/event-bus-config.ts';
import type { SourceOf } from '../config/loading/sources.ts';
import { type EngineSpec, type MadeEngine, makeEngine } from '../config/make-engines.ts';
import { createEvent } from '../contract/create-event.ts';
import type { Engine, EngineHost } from '../contract/engine.ts';
import type { Event } from '../contract/event.ts';
import type { EngineObserver, Logger } from '../contract/observing.ts';
import { findEngineFactory } from '../registry/registry.ts';
import { createRouter } from '../routing/engine-router.ts';
import type { Router } from '../routing/router.ts';
import { RoutingRules } from '../routing/routing-rules.ts';

/** The parts of a bus that its router and the hosts of its engines need. */
export interface BusRouterOptions {
  readonly config: ParsedConfig;
  /** Engines that the check of the configuration has created, by their index in it. */
  readonly made: ReadonlyMap<number, MadeEngine>;
  readonly shared: EngineSpec['shared'];
  readonly sourceOf: SourceOf;
  readonly logger: Logger;
  readonly observer: EngineObserver;
  readonly onUndecodable: EngineHost['onUndecodable'];
  /** Publishes a dead letter on an engine. */
  readonly publishDeadLetter: (event: Event, engine: string) => Promise<void>;
}

/** The router of a bus. It creates the engines that the configuration describes when it starts. */
export function createBusRouter(options: BusRouterOptions): Router {
  const { engines, routing } = options.config;
  const rules = new RoutingRules(
    routing,
    engines.map(({ name }) => name),
  );
  return createRouter({
    engines: engines.map(({ name, engine, type, config = {} }, index) => ({
      name,
      engine: engine ?? (() => createConfiguredEngine(options, { name, type: type!, config, index })),
    })),
    routing,
    host: (name) => hostOf(name, options, rules),
  });
}

async function createConfiguredEngine(
  { made, shared, sourceOf, logger }: BusRouterOptions,
  described: { name: string; type: string; config: object; index: number },
): Promise<Engine> {
  const { name, type, index } = described;
  const spec: EngineSpec = {
    index,
    name,
    type,
    config: described.config as EngineSpec['config'],
    shared,
  };
  const known = made.get(index);
  const { engine, unused } = known ?? makeEngine(await findEngineFactory(type), spec, sourceOf);
  if (unused.length > 0) {
    logger.warn(
      `an engine of the type "${type}" does not have the fields ${unused.join(', ')}; they are ignored`,
      {
        engine: name,
        type,
        fields: unused,
      },
    );
  }
  return engine;
}

function hostOf(
  name: string,
  { config, logger, observer, onUndecodable, publishDeadLetter }: BusRouterOptions,
  rules: RoutingRules,
): EngineHost {
  return {
    name,
    logger,
    source: config.source,
    observer,
    onUndecodable,
    publishDeadLetter: (input) => {
      const event = createEvent(input);
      return publishDeadLetter(event, rules.engineForDeadLetter(event, name));
    },
  };
}
