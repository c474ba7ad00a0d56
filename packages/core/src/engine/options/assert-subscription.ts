import type { Subscription } from '../../contract/bus.ts';
import { InvalidSubscriptionError } from '../../errors/errors.ts';

/**
 * Asserts that the argument of `unsubscribe` is a subscription.
 *
 * @throws {@link InvalidSubscriptionError} if it is not.
 */
export function assertSubscription(value: unknown): asserts value is Subscription {
  if (typeof value === 'object' && value !== null && 'cancel' in value && typeof value.cancel === 'function')
    return;
  throw new InvalidSubscriptionError(value);
}
