import type { EventBusConfig } from '../config/event-bus-config.ts';

/** What the module tells its application to begin with: the memory engine, with the values that the Go module has. */
export const moduleDefaults: EventBusConfig = {
  engine: 'memory',
  maxEventQueueSize: 1000,
  defaultEventBufferSize: 10,
  workerCount: 5,
  eventTTL: '1h',
  retentionDays: 7,
};

/** The module's defaults under what the application's section says. They are the memory engine's, and no other engine gets them. */
export function defaultsFor(section: Readonly<Record<string, unknown>>): EventBusConfig {
  return usesMemory(section) ? moduleDefaults : {};
}

/**
 * A section without the defaults that an application has merged into it, if it names another engine: that one would get the
 * buffers and the `eventTTL` of the memory engine, which nobody set.
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
