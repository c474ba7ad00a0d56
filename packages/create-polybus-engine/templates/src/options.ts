import type { RetryOptions } from '@polybus/core';
import {
  type DeliveryOptions,
  type ValidatedDeliveryOptions,
  deadLetter,
  deliveryOptions,
  retry,
  strict,
  text,
  validateConfig,
} from '@polybus/core/engine-kit';
import * as v from 'valibot';

/** The configuration of the __TYPE__ engine. */
export interface __Prefix__Config extends DeliveryOptions {
  /** Address of the broker. Default `local`. */
  readonly url?: string | undefined;
  /** Default for subscriptions: one attempt. */
  readonly retry?: RetryOptions | false | undefined;
  /** Default for subscriptions: false. */
  readonly deadLetter?: string | boolean | undefined;
}

/** The configuration with every default filled in. */
export interface __Prefix__Options extends ValidatedDeliveryOptions {
  readonly url: string;
}

const schema = strict({
  ...deliveryOptions,
  url: v.optional(text, 'local'),
  retry: v.optional(retry, false),
  deadLetter: v.optional(deadLetter, false),
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
