import { assertGroup, assertOptionsOf, assertSignal, count, timerMs } from './call-options.ts';
import { type CapableEngine, requireCapability } from '../../contract/capabilities.ts';
import type { EventHandler, StartPosition, SubscribeOptions } from '../../contract/bus.ts';
import type { BatchPolicy } from '../../dispatch/batch/batching.ts';
import type { DeliveryPolicy } from '../../dispatch/delivery-policy.ts';
import type { CancellableSubscription } from '../engine-subscription.ts';
import { HandlerRequiredError, InvalidOptionError } from '../../errors/errors.ts';
import type { RetryOptions } from '../../contract/retry.ts';
import { resolveRetry } from './resolve-retry.ts';
import { groupFor } from '../../contract/tenant.ts';
import { assertTopic, assertTopicOrPattern } from '../../contract/topics.ts';

/** The defaults for options that a subscription does not set. */
export interface DeliveryDefaults {
  /** How many handlers of all async subscriptions may run at once, and the default `concurrency` of one subscription. Default 5. */
  readonly workerCount: number;
  /** How many events may be queued for one subscription, without those in running handlers. Default 256. */
  readonly bufferSize: number;
  /** How failed attempts are retried. Default: 5 attempts. */
  readonly retry: RetryOptions | false | undefined;
  /** The dead-letter topic; true for `_dead.<topic>`, false for none. Default true. */
  readonly deadLetter: string | boolean;
  /** The maximum duration of one attempt, in milliseconds; undefined for no limit. Default undefined. */
  readonly handlerTimeoutMs: number | undefined;
  /** How long an event may be queued before it is dropped, in milliseconds; undefined for no limit. */
  readonly ttlMs: number | undefined;
  /**
   * How long the engine may make no progress although there are events to read or to handle, in milliseconds. After that, `health()` is
   * `degraded`. Default 30 000.
   */
  readonly stallLimitMs: number;
}

/** The option that has the subscription that handlers see, if a layer above the engine made it. Its flow is that of the whole. */
export const identityOption: unique symbol = Symbol('polybus.identity');

/** The option with which a bus asks for batches. An engine with another copy of core does not see it, and delivers each event alone. */
export const batchOption: unique symbol = Symbol('polybus.batch');

/** The subscribe options, with the options that only core uses. */
export interface InternalSubscribeOptions extends SubscribeOptions {
  readonly [identityOption]?: CancellableSubscription | undefined;
  readonly [batchOption]?: BatchPolicy | undefined;
}

/** Subscribe options with all defaults set. */
export interface ResolvedSubscribeOptions {
  readonly policy: DeliveryPolicy;
  readonly from: StartPosition;
  readonly deadLetter: string | boolean;
}

/**
 * Validates the arguments of a subscribe call and sets defaults.
 *
 * @throws {@link InvalidTopicError} if the topic or pattern is invalid.
 * @throws {@link HandlerRequiredError} if the handler is not a function.
 * @throws {@link InvalidOptionError} if an option is invalid.
 * @throws {@link UnsupportedCapabilityError} if the engine does not support an option.
 */
export function resolveSubscribeOptions(
  topic: string,
  handler: EventHandler<never>,
  isAsync: boolean,
  options: InternalSubscribeOptions,
  defaults: DeliveryDefaults,
  engine: CapableEngine,
): ResolvedSubscribeOptions {
  assertTopicOrPattern(topic);
  if (typeof handler !== 'function') throw new HandlerRequiredError(topic, handler);
  assertOptionsOf('subscribe', options);
  const {
    group,
    tenant,
    from = 'latest',
    deadLetter = defaults.deadLetter,
    concurrency,
    bufferSize,
    signal,
  } = options;
  const handlerTimeoutMs = options.handlerTimeoutMs ?? defaults.handlerTimeoutMs;
  if (group !== undefined) assertGroup(group);
  if (group !== undefined) requireCapability(engine, 'groups', 'group');
  assertFrom(from);
  if (from !== 'latest') requireCapability(engine, 'replay', 'from');
  if (concurrency !== undefined && !isAsync && concurrency !== 1) {
    throw new InvalidOptionError(
      'concurrency',
      concurrency,
      '1 or nothing for a sync subscription; for more, use subscribeAsync',
    );
  }
  if (typeof deadLetter === 'string') assertTopic(deadLetter);
  else if (typeof deadLetter !== 'boolean') {
    throw new InvalidOptionError(
      'deadLetter',
      deadLetter,
      'a topic, true for "_dead.<topic>", or false to log and count',
    );
  }
  assertSignal(signal);
  const batch = options[batchOption];
  const policy: DeliveryPolicy = {
    handler,
    isAsync,
    group: groupFor(group, tenant),
    tenant,
    concurrency: isAsync ? count('concurrency', concurrency ?? defaults.workerCount) : 1,
    batch,
    bufferSize: count('bufferSize', bufferSize ?? Math.max(defaults.bufferSize, batch?.maxSize ?? 0)),
    retry: resolveRetry(options.retry ?? defaults.retry),
    handlerTimeoutMs:
      handlerTimeoutMs === undefined ? undefined : timerMs('handlerTimeoutMs', handlerTimeoutMs),
    ttlMs: defaults.ttlMs,
  };
  return { policy, from: isInFuture(from) ? 'latest' : from, deadLetter };
}

/** Returns true for a Date in the future, which means `latest`, because brokers treat such dates differently. */
function isInFuture(from: StartPosition): boolean {
  return from instanceof Date && from.getTime() > Date.now();
}

function assertFrom(from: unknown): void {
  if (from === 'latest' || from === 'earliest') return;
  if (from instanceof Date && !Number.isNaN(from.getTime())) return;
  throw new InvalidOptionError('from', from, '"latest", "earliest" or a valid Date');
}
