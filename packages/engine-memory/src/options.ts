import type { Duration, RetryOptions } from '@polybus/core';
import {
  atLeastOne,
  deadLetter,
  duration,
  flag,
  handlerTimeout,
  retry,
  stallLimit,
  strict,
  timerDuration,
  validateConfig,
  wholeNumber,
} from '@polybus/core/config';
import * as v from 'valibot';

/** What happens to an event that finds a subscription's buffer full. */
export type DeliveryMode = 'drop' | 'block' | 'timeout';

/** The configuration of the memory engine. */
export interface MemoryConfig {
  /** `drop` counts and drops it, `block` makes the publisher wait, `timeout` makes it wait so long and then drops. Default `drop`. */
  readonly deliveryMode?: DeliveryMode | undefined;
  /** How long `timeout` waits. Default 0: not at all. */
  readonly publishBlockTimeout?: Duration | undefined;
  /** Events that may wait for each subscription. Default 10. */
  readonly defaultEventBufferSize?: number | undefined;
  /** Unsettled deliveries of one topic over all its subscriptions; beyond, `deliveryMode` decides. Default 1000. */
  readonly maxEventQueueSize?: number | undefined;
  /** Handlers at once over all async subscriptions. Default 5. */
  readonly workerCount?: number | undefined;
  /** Begin each publish at another subscription, so that drops spread evenly. Default false. */
  readonly rotateSubscriberOrder?: boolean | undefined;
  /** An event that waited longer in a buffer is dropped. 0 for no limit. Default `"1h"`. */
  readonly eventTTL?: Duration | undefined;
  /** Days that the history, from which `from: 'earliest'` replays, goes back. Default 7. */
  readonly retentionDays?: number | undefined;
  /** Events that the history holds at most, over all topics. 0 for none, which takes the capability `replay` away. Default 1000. */
  readonly historySize?: number | undefined;
  /** Default for subscriptions: one attempt. */
  readonly retry?: RetryOptions | false | undefined;
  /** Default for subscriptions: false. */
  readonly deadLetter?: string | boolean | undefined;
  /** Milliseconds. Default for subscriptions: no bound. */
  readonly handlerTimeoutMs?: number | undefined;
  /** Milliseconds for which reading, or waiting events, may stand still before `health()` is `degraded`. Default 30 000. */
  readonly stallLimitMs?: number | undefined;
}

/** The configuration with every default filled in; durations in milliseconds. */
export interface MemoryOptions {
  readonly deliveryMode: DeliveryMode;
  readonly publishBlockTimeout: number;
  readonly defaultEventBufferSize: number;
  readonly maxEventQueueSize: number;
  readonly workerCount: number;
  readonly rotateSubscriberOrder: boolean;
  readonly eventTTL: number;
  readonly retentionDays: number;
  readonly historySize: number;
  readonly retry: RetryOptions | false;
  readonly deadLetter: string | boolean;
  readonly handlerTimeoutMs: number | undefined;
  readonly stallLimitMs: number;
}

const entries = {
  publishBlockTimeout: v.optional(timerDuration, 0),
  defaultEventBufferSize: v.optional(atLeastOne, 10),
  maxEventQueueSize: v.optional(atLeastOne, 1000),
  workerCount: v.optional(atLeastOne, 5),
  rotateSubscriberOrder: v.optional(flag, false),
  eventTTL: v.optional(duration, '1h'),
  retentionDays: v.optional(atLeastOne, 7),
  historySize: v.optional(wholeNumber, 1000),
  retry: v.optional(retry, false),
  deadLetter: v.optional(deadLetter, false),
  handlerTimeoutMs: v.optional(handlerTimeout),
  stallLimitMs: v.optional(stallLimit, 30_000),
};

const memorySchema = strict({
  deliveryMode: v.optional(v.picklist(['drop', 'block', 'timeout'], '"drop", "block" or "timeout"'), 'drop'),
  ...entries,
});

const durableSchema = strict({
  deliveryMode: v.optional(v.literal('block', '"block", or none: durable-memory only ever blocks'), 'block'),
  ...entries,
});

/** What the configuration of each engine type has to be; made into the JSON Schema of a bus's configuration. */
export const configSchemas: Readonly<Record<string, v.GenericSchema>> = {
  memory: memorySchema,
  'durable-memory': durableSchema,
};

/**
 * Checks a configuration and fills in the defaults.
 *
 * @param path - What to call the configuration in messages.
 * @throws {@link InvalidConfigError} listing every problem.
 */
export function resolveOptions(config: unknown, isDurable: boolean, path: string): MemoryOptions {
  return validateConfig(isDurable ? durableSchema : memorySchema, config, path) as MemoryOptions;
}
