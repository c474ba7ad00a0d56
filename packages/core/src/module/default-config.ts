import type { EventBusConfig } from '../config/event-bus-config.ts';

/** The default configuration of the module: the memory engine with the defaults of the Go module. */
export const moduleDefaults: EventBusConfig = {
  engine: 'memory',
  maxEventQueueSize: 1000,
  defaultEventBufferSize: 10,
  workerCount: 5,
  eventTTL: '1h',
  retentionDays: 7,
};

/** Returns the defaults for the application's section. They are those of the memory engine and apply to no other engine. */
export function defaultsFor(section: Readonly<Record<string, unknown>>): EventBusConfig {
  return usesMemory(section) ? moduleDefaults : {};
}

/**
 * Removes the defaults that an application merged into its section, if the section names another engine. Otherwise that engine would
 * get the buffer sizes and the `eventTTL` of the memory engine, which nobody set.
 */
export function withoutDefaults(
  section: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const defaults = Object.entries(moduleDefaults);
  const isMerged = defaults.every(([field]) => section[field] !== undefined);
  if (usesMemory(section) || !isMerged) return section;
  const rest = { ...section };
  for (const [field, value] of defaults) if (rest[field] === value) delete rest[field];
  return rest;
}

function usesMemory({ engine, engines }: Readonly<Record<string, unknown>>): boolean {
  return engines === undefined && (engine === undefined || engine === moduleDefaults.engine);
}
