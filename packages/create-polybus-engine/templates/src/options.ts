import type { RetryOptions } from '@polybus/core';
import {
  atLeastOne,
  deadLetter,
  handlerTimeout,
  retry,
  stallLimit,
  strict,
  text,
  validateConfig,
} from '@polybus/core/engine-kit';
import * as v from 'valibot';

/** The configuration of the __TYPE__ engine. */
export interface __Prefix__Config {
  /** Where the broker is. Default `local`. */
  readonly url?: string | undefined;
  /** Handlers at once over all async subscriptions. Default 5. */
  readonly workerCount?: number | undefined;
  /** Events that may wait for each subscription. Default 256. */
  readonly defaultEventBufferSize?: number | undefined;
  /** Default for subscriptions: one attempt. */
  readonly retry?: RetryOptions | false | undefined;
  /** Default for subscriptions: false. */
  readonly deadLetter?: string | boolean | undefined;
  /** Milliseconds. Default for subscriptions: no bound. */
  readonly handlerTimeoutMs?: number | undefined;
  /** Milliseconds for which reading, or waiting events, may stand still before `health()` is `degraded`. Default 30 000. */
  readonly stallLimitMs?: number | undefined;
}

/** The configuration with every default filled in. */
export interface __Prefix__Options {
  readonly url: string;
  readonly workerCount: number;
  readonly defaultEventBufferSize: number;
  readonly retry: RetryOptions | false;
  readonly deadLetter: string | boolean;
  readonly handlerTimeoutMs?: number | undefined;
  readonly stallLimitMs: number;
}

const schema = strict({
  url: v.optional(text, 'local'),
  workerCount: v.optional(atLeastOne, 5),
  defaultEventBufferSize: v.optional(atLeastOne, 256),
  retry: v.optional(retry, false),
  deadLetter: v.optional(deadLetter, false),
  handlerTimeoutMs: v.optional(handlerTimeout),
  stallLimitMs: v.optional(stallLimit, 30_000),
});

/**
 * Checks a configuration and fills in the defaults.
 *
 * @param path - What to call the configuration in messages.
 * @throws {@link InvalidConfigError} listing every problem.
 */
export function resolveOptions(config: unknown, path: string): __Prefix__Options {
  return validateConfig(schema, config, path);
}
