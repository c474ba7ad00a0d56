import { HandlerTimeoutError } from '../errors/errors.ts';
import { callHandler } from './current-work.ts';
import type { Delivery } from './delivery.ts';
import type { DeliveryPolicy } from './delivery-policy.ts';

/** Receives the outcome of each attempt: once, whatever the handler does afterwards. */
export interface AttemptEnd {
  succeeded(delivery: Delivery): void;
  failed(delivery: Delivery, error: unknown, isTimeout?: boolean): void;
}

/** Calls the handler with the event of a delivery, and reports the outcome: at once if the handler returns no promise. */
export function runAttempt(delivery: Delivery, policy: DeliveryPolicy, outcome: AttemptEnd): void {
  const { handler, handlerTimeoutMs } = policy;
  const { event, context } = delivery;
  let promise: PromiseLike<unknown> | undefined;
  try {
    promise = callHandler(delivery, handler, event!, context!);
  } catch (error) {
    outcome.failed(delivery, error);
    return;
  }
  if (promise === undefined) {
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
  // If the delivery has another event, or none, this attempt is over and its late result is ignored.
  // `then` of a thenable may throw, so a thenable is converted to a promise; a promise is used as it is.
  Promise.resolve(promise).then(
    () => delivery.event === event && outcome.succeeded(delivery),
    (error: unknown) => delivery.event === event && outcome.failed(delivery, error),
  );
}
