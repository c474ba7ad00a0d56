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
  /** Address of the broker. Default `local`. */
  readonly url?: string | undefined;
  /** Handlers that run at once over all async subscriptions. Default 5. */
  readonly workerCount?: number | undefined;
  /** Events that each subscription buffers. Default 256. */
  readonly defaultEventBufferSize?: number | undefined;
  /** Default for subscriptions: one attempt. */
  readonly retry?: RetryOptions | false | undefined;
  /** Default for subscriptions: false. */
  readonly deadLetter?: string | boolean | undefined;
  /** Milliseconds. Default for subscriptions: no timeout. */
  readonly handlerTimeoutMs?: number | undefined;
  /** Milliseconds without progress in reading, or of waiting events, after which `health()` is `degraded`. Default 30 000. */
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
 * Validates a configuration and fills in the defaults.
 *
 * @param path - The name of the configuration in error messages.
 * @throws {@link InvalidConfigError} listing every problem.
 */
export function resolveOptions(config: unknown, path: string): __Prefix__Options {
  return validateConfig(schema, config, path);
}
