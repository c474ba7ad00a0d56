import type { Duration } from '@polybus/core';
import {
  atLeastOne,
  stallLimit,
  strict,
  text,
  timerDuration,
  validateConfig,
} from '@polybus/core/engine-kit';
import * as v from 'valibot';

/** The configuration of the log engine. */
export interface LogConfig {
  /** The address of the broker. Default `local`. */
  readonly url?: string | undefined;
  /** A group member that the broker does not hear from for this long loses its partitions. Default `"30s"`. */
  readonly leaseTimeout?: Duration | undefined;
  /** Handlers that run at once over all async subscriptions. Default 5. */
  readonly workerCount?: number | undefined;
  /** Events that each subscription buffers; further events wait in the log. Default 256. */
  readonly defaultEventBufferSize?: number | undefined;
  /** Milliseconds without progress in reading, or of waiting events, after which `health()` is `degraded`. Default 30 000. */
  readonly stallLimitMs?: number | undefined;
}

/** The configuration with every default filled in. Durations are in milliseconds. */
export interface LogOptions {
  readonly url: string;
  readonly leaseTimeout: number;
  readonly workerCount: number;
  readonly defaultEventBufferSize: number;
  readonly stallLimitMs: number;
}

const schema = strict({
  url: v.optional(text, 'local'),
  leaseTimeout: v.optional(timerDuration, '30s'),
  workerCount: v.optional(atLeastOne, 5),
  defaultEventBufferSize: v.optional(atLeastOne, 256),
  stallLimitMs: v.optional(stallLimit, 30_000),
});

/**
 * Validates a configuration and fills in the defaults.
 *
 * @param path - The name of the configuration in error messages.
 * @throws {@link InvalidConfigError} if a part is invalid. The error lists every problem.
 */
export function resolveOptions(config: unknown, path: string): LogOptions {
  return validateConfig(schema, config, path);
}
