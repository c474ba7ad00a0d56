import type { Duration } from '@polybus/core';
import {
  type DeliveryOptions,
  type ValidatedDeliveryOptions,
  deliveryOptions,
  strict,
  text,
  timerDuration,
  validateConfig,
} from '@polybus/core/engine-kit';
import * as v from 'valibot';

/** The configuration of the log engine. */
export interface LogConfig extends DeliveryOptions {
  /** The folder of the broker. Engines with the same folder share the broker, in whichever process they are. */
  readonly folder: string;
  /** A group member that the broker does not hear from for this long loses its partitions. Default `"30s"`. */
  readonly leaseTimeout?: Duration | undefined;
}

/** The configuration with every default filled in. Durations are in milliseconds. */
export interface LogOptions extends ValidatedDeliveryOptions {
  readonly folder: string;
  readonly leaseTimeout: number;
}

const schema = strict({
  ...deliveryOptions,
  folder: text,
  leaseTimeout: v.optional(timerDuration, '30s'),
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
