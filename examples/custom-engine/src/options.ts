import type { Duration } from '@polybus/core';
import {
  atLeastOne,
  duration,
  flag,
  positiveMilliseconds,
  strict,
  text,
  validateConfig,
} from '@polybus/core/engine-kit';
import * as v from 'valibot';
import { type EventFilter, TopicPrefixFilter } from './filters.ts';

/** A filter as a configuration file can name it. */
export interface FilterConfig {
  readonly type: 'topicPrefix';
  /** The filter accepts topics that begin with one of these prefixes, or all topics if there are none. */
  readonly prefixes: readonly string[];
}

/** The configuration of the custom engine. */
export interface CustomMemoryConfig {
  /** The maximum number of handlers that run at once, over all async subscriptions. Default 5. */
  readonly workerCount?: number | undefined;
  /** The maximum number of unsettled deliveries, over all subscriptions. The engine drops further deliveries. Default 1000. */
  readonly maxEventQueueSize?: number | undefined;
  /** The maximum number of events that wait for each subscription. The engine drops further events. Default 10. */
  readonly defaultEventBufferSize?: number | undefined;
  /** If there are events to read, or events that wait, and there is no progress for longer than this, `health()` is `degraded`. In milliseconds. Default 30 000. */
  readonly stallLimitMs?: number | undefined;
  /** Default true. */
  readonly enableMetrics?: boolean | undefined;
  /** How often the metrics are logged; 0 for never. Default `"30s"`. */
  readonly metricsInterval?: Duration | undefined;
  /** The engine carries an event if every filter accepts it. Default: none. */
  readonly eventFilters?: readonly (FilterConfig | EventFilter)[] | undefined;
}

/** The configuration with every default filled in; durations in milliseconds. */
export interface CustomMemoryOptions {
  readonly workerCount: number;
  readonly maxEventQueueSize: number;
  readonly defaultEventBufferSize: number;
  readonly stallLimitMs: number;
  readonly enableMetrics: boolean;
  readonly metricsInterval: number;
  readonly eventFilters: readonly EventFilter[];
}

const prefixFilter = v.pipe(
  strict({
    type: v.literal('topicPrefix', '"topicPrefix"'),
    prefixes: v.array(text, 'a list of prefixes'),
  }),
  v.transform(({ prefixes }): EventFilter => new TopicPrefixFilter(prefixes)),
);

const ownFilter = v.custom<EventFilter>(
  (value) => typeof (value as EventFilter | null)?.shouldProcess === 'function',
);

const schema = strict({
  workerCount: v.optional(atLeastOne, 5),
  maxEventQueueSize: v.optional(atLeastOne, 1000),
  defaultEventBufferSize: v.optional(atLeastOne, 10),
  stallLimitMs: v.optional(positiveMilliseconds, 30_000),
  enableMetrics: v.optional(flag, true),
  metricsInterval: v.optional(duration, '30s'),
  eventFilters: v.optional(
    v.array(
      v.union([ownFilter, prefixFilter], '{ type: "topicPrefix", prefixes: [ … ] }, or an EventFilter'),
      'a list',
    ),
    [],
  ),
});

/**
 * Checks a configuration and fills in the defaults.
 *
 * @param path - What to call the configuration in messages.
 * @throws {@link InvalidConfigError} if a part is invalid. The error lists every problem.
 */
export function resolveOptions(config: unknown, path: string): CustomMemoryOptions {
  return validateConfig(schema, config, path);
}
