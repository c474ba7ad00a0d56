import type { Duration, RetryOptions, TimeToLive } from '@polybus/core';
import {
  type DeliveryOptions,
  type ValidatedDeliveryOptions,
  atLeastOne,
  deadLetter,
  deliveryOptions,
  flag,
  retry,
  strict,
  timeToLive,
  timerDuration,
  validateConfig,
  wholeNumber,
} from '@polybus/core/engine-kit';
import * as v from 'valibot';

/** What the engine does with an event if the buffer of a subscription is full. */
export type DeliveryMode = 'drop' | 'block' | 'timeout';

/** The configuration of the memory engine. */
export interface MemoryConfig extends DeliveryOptions {
  /** What the engine does if a buffer is full. `drop`: it drops and counts the event. `block`: the publisher waits for room. `timeout`: the publisher waits up to `publishBlockTimeout`, then the engine drops the event. Default `drop`. */
  readonly deliveryMode?: DeliveryMode | undefined;
  /** How long a publisher waits for room if `deliveryMode` is `timeout`. 0 means that it does not wait. Default 0. */
  readonly publishBlockTimeout?: Duration | undefined;
  /** The maximum number of events in the buffer of each subscription. Default 10. */
  readonly defaultEventBufferSize?: number | undefined;
  /** The maximum number of unsettled deliveries of one topic, over all its subscriptions. At the maximum, `deliveryMode` applies as for a full buffer. Default 1000. */
  readonly maxEventQueueSize?: number | undefined;
  /** Changes, from event to event, which subscription is offered the event first. On `memory`, this spreads drops evenly. Default false. */
  readonly rotateSubscriberOrder?: boolean | undefined;
  /** The engine drops an event that waits in a buffer for longer than this. 0 means no limit. Default `"1h"`. */
  readonly eventTTL?: TimeToLive | undefined;
  /** How many days the history keeps an event. `from` replays events from the history. Default 7. */
  readonly retentionDays?: number | undefined;
  /** The maximum number of events in the history, over all topics. With 0 there is no history, and the engine does not have the capability `replay`. Default 1000. */
  readonly historySize?: number | undefined;
  /** The `retry` of subscriptions that do not set it; `false` is one attempt. Default `false`. */
  readonly retry?: RetryOptions | false | undefined;
  /** The `deadLetter` of subscriptions that do not set it; `true` means the topic `_dead.<topic>`. Default `false`. */
  readonly deadLetter?: string | boolean | undefined;
}

/** The configuration of the engine durable-memory. */
export interface DurableMemoryConfig extends Omit<MemoryConfig, 'deliveryMode' | 'publishBlockTimeout'> {
  /** If a buffer is full, the publisher waits for room. `block` is the only value. */
  readonly deliveryMode?: 'block' | undefined;
  /**
   * The Go module's name for `defaultEventBufferSize`. If both are set, this option applies. 0 means the value of
   * `maxEventQueueSize`.
   */
  readonly maxDurableQueueDepth?: number | undefined;
  /** The engine drops an event that waits in a buffer for longer than this. 0 means no limit. Default 0. */
  readonly eventTTL?: TimeToLive | undefined;
  /** The `retry` of subscriptions that do not set it; `false` is one attempt. Default: five attempts. */
  readonly retry?: RetryOptions | false | undefined;
  /** The `deadLetter` of subscriptions that do not set it; `true` means the topic `_dead.<topic>`. Default `true`. */
  readonly deadLetter?: string | boolean | undefined;
}

/** The configuration with every default filled in; durations in milliseconds. */
export interface MemoryOptions extends ValidatedDeliveryOptions {
  readonly deliveryMode: DeliveryMode;
  readonly publishBlockTimeout: number;
  readonly maxEventQueueSize: number;
  readonly rotateSubscriberOrder: boolean;
  readonly retentionDays: number;
  readonly historySize: number;
}

const entries = {
  ...deliveryOptions,
  defaultEventBufferSize: v.optional(atLeastOne, 10),
  maxEventQueueSize: v.optional(atLeastOne, 1000),
  rotateSubscriberOrder: v.optional(flag, false),
  retentionDays: v.optional(atLeastOne, 7),
  historySize: v.optional(wholeNumber, 1000),
};

const memorySchema = strict({
  deliveryMode: v.optional(v.picklist(['drop', 'block', 'timeout'], '"drop", "block" or "timeout"'), 'drop'),
  publishBlockTimeout: v.optional(timerDuration, 0),
  ...entries,
  eventTTL: v.optional(timeToLive, '1h'),
  retry: v.optional(retry, false),
  deadLetter: v.optional(deadLetter, false),
});

const durableSchema = strict({
  deliveryMode: v.optional(
    v.literal(
      'block',
      '"block", or none: durable-memory only ever blocks, and the engine "memory" has the other modes',
    ),
    'block',
  ),
  ...entries,
  maxDurableQueueDepth: v.optional(wholeNumber),
});

/** The schema of the configuration of each engine type, from which the JSON Schema of a bus's configuration is generated. */
export const configSchemas: Readonly<Record<string, v.GenericSchema>> = {
  memory: memorySchema,
  'durable-memory': durableSchema,
};

/**
 * Checks a configuration and fills in the defaults.
 *
 * @param path - What to call the configuration in messages.
 * @throws {@link InvalidConfigError} if a part is invalid. The error lists every problem.
 */
export function resolveOptions(config: unknown, isDurable: boolean, path: string): MemoryOptions {
  if (!isDurable) return validateConfig(memorySchema, config, path);
  const { maxDurableQueueDepth, ...given } = validateConfig(durableSchema, config, path);
  const depth = maxDurableQueueDepth ?? given.defaultEventBufferSize;
  const defaultEventBufferSize = depth === 0 ? given.maxEventQueueSize : depth;
  return { ...given, defaultEventBufferSize, publishBlockTimeout: 0 };
}

declare module '@polybus/core' {
  interface EngineTypes {
    readonly memory: MemoryConfig;
    readonly 'durable-memory': DurableMemoryConfig;
  }
}
