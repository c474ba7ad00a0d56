import * as v from 'valibot';
import type { TimeToLive } from '../contract/bus.ts';
import type { RetryOptions } from '../contract/retry.ts';
import type { DeliveryDefaults } from '../engine/options/subscribe-options.ts';
import { atLeastOne, deadLetter, positiveMilliseconds, retry, timeToLive } from './schema.ts';

/** The options that the configuration of every engine has. Most of them are the defaults of its subscriptions. */
export interface DeliveryOptions {
  /** The maximum number of handlers that run at once, over all async subscriptions. Default 5. */
  readonly workerCount?: number | undefined;
  /** The maximum number of events in the buffer of each subscription. Default 256. */
  readonly defaultEventBufferSize?: number | undefined;
  /** The `retry` of subscriptions that do not set it; `false` is one attempt. Default: five attempts. */
  readonly retry?: RetryOptions | false | undefined;
  /** The `deadLetter` of subscriptions that do not set it; `true` means the topic `_dead.<topic>`. Default `true`. */
  readonly deadLetter?: string | boolean | undefined;
  /** The `handlerTimeoutMs` of subscriptions that do not set it: the time limit of an attempt, in milliseconds. Default: no limit. */
  readonly handlerTimeoutMs?: number | undefined;
  /** How long the engine may make no progress although there are events to read or to handle. After that, `health()` is `degraded` and gives the reason. In milliseconds. Default 30 000. */
  readonly stallLimitMs?: number | undefined;
  /** The engine drops an event that waits in a buffer for longer than this. 0 means no limit. Default 0. */
  readonly eventTTL?: TimeToLive | undefined;
}

/** The schema of each of the {@link DeliveryOptions}, for the schema of an engine. An engine with another default replaces the entry. */
export const deliveryOptions: {
  readonly workerCount: v.OptionalSchema<v.GenericSchema<number>, 5>;
  readonly defaultEventBufferSize: v.OptionalSchema<v.GenericSchema<number>, 256>;
  readonly retry: v.OptionalSchema<v.GenericSchema<RetryOptions | false>, undefined>;
  readonly deadLetter: v.OptionalSchema<v.GenericSchema<string | boolean>, true>;
  readonly handlerTimeoutMs: v.OptionalSchema<v.GenericSchema<number>, undefined>;
  readonly stallLimitMs: v.OptionalSchema<v.GenericSchema<number>, 30_000>;
  readonly eventTTL: v.OptionalSchema<v.GenericSchema<TimeToLive, number>, 0>;
} = {
  workerCount: v.optional(atLeastOne, 5),
  defaultEventBufferSize: v.optional(atLeastOne, 256),
  retry: v.optional(retry),
  deadLetter: v.optional(deadLetter, true),
  handlerTimeoutMs: v.optional(positiveMilliseconds),
  stallLimitMs: v.optional(positiveMilliseconds, 30_000),
  eventTTL: v.optional(timeToLive, 0),
};

/** The {@link DeliveryOptions} of a validated configuration, `eventTTL` in milliseconds. */
export interface ValidatedDeliveryOptions {
  readonly workerCount: number;
  readonly defaultEventBufferSize: number;
  readonly retry?: RetryOptions | false | undefined;
  readonly deadLetter: string | boolean;
  readonly handlerTimeoutMs?: number | undefined;
  readonly stallLimitMs: number;
  readonly eventTTL: number;
}

/** Returns the defaults of an engine's subscriptions, as `createEngine` takes them. */
export function deliveryDefaults(options: ValidatedDeliveryOptions): DeliveryDefaults {
  return {
    workerCount: options.workerCount,
    bufferSize: options.defaultEventBufferSize,
    retry: options.retry,
    deadLetter: options.deadLetter,
    handlerTimeoutMs: options.handlerTimeoutMs,
    stallLimitMs: options.stallLimitMs,
    ttlMs: options.eventTTL === 0 ? undefined : options.eventTTL,
  };
}
