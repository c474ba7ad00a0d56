import { HandlerTimeoutError } from '../errors/errors.ts';
import { type Delivery, currentDelivery } from './delivery.ts';
import type { DeliveryPolicy } from './delivery-policy.ts';

/** Told how an attempt ended; once, whatever the handler does afterwards. */
export interface AttemptEnd {
  succeeded(delivery: Delivery): void;
  failed(delivery: Delivery, error: unknown, isTimeout?: boolean): void;
}

/** Calls the handler with a delivery's event, and tells how it ended: at once where it returns no promise. */
export function runAttempt(delivery: Delivery, policy: DeliveryPolicy, outcome: AttemptEnd): void {
  const { handler, handlerTimeoutMs } = policy;
  const { event, context } = delivery;
  let result: unknown;
  let isDone: boolean;
  try {
    result = currentDelivery.run(delivery, handler, event as never, context!);
    isDone = typeof (result as PromiseLike<unknown> | null | undefined)?.then !== 'function';
  } catch (error) {
    outcome.failed(delivery, error);
    return;
  }
  if (isDone) {
    outcome.succeeded(delivery);
    return;
  }
  if (handlerTimeoutMs !== undefined) {
    delivery.timer = setTimeout(() => {
      const error = new HandlerTimeoutError(delivery.source.topic, handlerTimeoutMs);
      context!.abort(error);
      outcome.failed(delivery, error, true);
    }, handlerTimeoutMs);
  }
  // An attempt that was given up meanwhile has another event, or none: its late result counts for nothing.
  // Another thenable than a promise may throw from `then`, so it is made one; a promise is taken as it is.
  Promise.resolve(result).then(
    () => delivery.event === event && outcome.succeeded(delivery),
    (error: unknown) => delivery.event === event && outcome.failed(delivery, error),
  );
}
