/** For engine authors: parts that engines for different brokers share. */
export {
  type DeliveryOptions,
  type ValidatedDeliveryOptions,
  deliveryDefaults,
  deliveryOptions,
} from '../config/delivery-options.ts';
export { durationForm, durationMs } from '../config/duration.ts';
export {
  atLeastOne,
  deadLetter,
  duration,
  flag,
  milliseconds,
  positiveMilliseconds,
  retry,
  strict,
  text,
  timeToLive,
  timerDuration,
  topic,
  topicOrPattern,
  wholeNumber,
} from '../config/schema.ts';
export { validateConfig } from '../config/validate.ts';
export { type OptionNames, assertOptionNames, count, timerMs } from '../engine/options/call-options.ts';
export { importFailure } from '../errors/import-failure.ts';
export { maskUrl } from '../errors/mask.ts';
export { backoffMs } from './backoff.ts';
export { countdown } from './countdown.ts';
export { DelayedTopics, type DelayedTopicsOptions } from './delayed/delayed-topics.ts';
export { type Decoded, undecodable } from './decoded.ts';
export { DueQueue } from './due-queue.ts';
export { onAbort } from './on-abort.ts';
export { onceInMicrotask } from './once-in-microtask.ts';
export { orAborted, settlesWithin } from './or-aborted.ts';
export { pause } from './pause.ts';
export {
  PendingPublishes,
  type PendingPublishesOptions,
  type PendingPublish,
  isUnsettled,
} from './pending-publishes.ts';
