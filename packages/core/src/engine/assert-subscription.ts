import type { Subscription } from '../contract/bus.ts';
import { InvalidSubscriptionError } from '../errors/errors.ts';

/**
 * Checks what `unsubscribe` was given.
 *
 * @throws {@link InvalidSubscriptionError}
 */
export function assertSubscription(value: unknown): asserts value is Subscription {
  if (typeof value === 'object' && value !== null && 'cancel' in value && typeof value.cancel === 'function')
    return;
  throw new InvalidSubscriptionError(value);
}
