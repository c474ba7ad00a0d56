import { assertGroup, assertOptionsOf, assertSignal, timerMs } from './call-options.ts';
import { type Capabilities, requireCapability } from '../contract/capabilities.ts';
import type { EventHandler, StartPosition, SubscribeOptions, Subscription } from '../contract/bus.ts';
import type { DeliveryPolicy } from '../dispatch/delivery-policy.ts';
import type { WorkerPool } from '../dispatch/workers/worker-pool.ts';
import { HandlerRequiredError, InvalidOptionError } from '../errors/errors.ts';
import type { RetryOptions } from '../contract/retry.ts';
import { resolveRetry } from './resolve-retry.ts';
import { groupFor } from '../contract/tenant.ts';
import { assertTopic, assertTopicOrPattern } from '../contract/topics.ts';

/** What a subscription gets where it does not say otherwise. */
export interface DeliveryDefaults {
  /** Handlers at once over all async subscriptions, and the default `concurrency` of one. Default 5. */
  readonly workerCount: number;
  /** Events that may wait for one subscription's handlers; those that its handlers have are not counted. Default 256. */
  readonly bufferSize: number;
  /** Default: 5 attempts. */
  readonly retry: RetryOptions | false | undefined;
  /** True for `_dead.<topic>`. Default true. */
  readonly deadLetter: string | boolean;
  /** How long a handler may take, in milliseconds. Default undefined: as long as it wants. */
  readonly handlerTimeoutMs: number | undefined;
  /** Events that waited longer than this, in milliseconds, are dropped instead of handled; undefined for no limit. */
  readonly ttlMs: number | undefined;
  /**
   * Milliseconds for which reading, or a subscription with waiting events, may stand still before `health()` is `degraded`.
   * Default 30 000.
   */
  readonly stallLimitMs: number;
}

/** How the router makes the engines of one subscription share its concurrency. */
export const gateOption: unique symbol = Symbol('polybus.gate');

/** The subscription that handlers see: a layer above the engine that made its own hands it down. */
export const identityOption: unique symbol = Symbol('polybus.identity');

/** Options as layers of core hand them on. */
export interface InternalSubscribeOptions extends SubscribeOptions {
  readonly [gateOption]?: WorkerPool | undefined;
  readonly [identityOption]?: Subscription | undefined;
}

/** Subscribe options with every default filled in. */
export interface ResolvedSubscribeOptions {
  readonly policy: DeliveryPolicy;
  readonly from: StartPosition;
  readonly deadLetter: string | boolean;
}

/**
 * Checks what a subscriber gave, and fills in the defaults.
 *
 * @throws {@link InvalidTopicError}
 * @throws {@link HandlerRequiredError}
 * @throws {@link InvalidOptionError}
 * @throws {@link UnsupportedCapabilityError}
 */
export function resolveSubscribeOptions(
  topic: string,
  handler: EventHandler<never>,
  isAsync: boolean,
  options: SubscribeOptions,
  defaults: DeliveryDefaults,
  engine: { readonly name: string; readonly capabilities: Capabilities },
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
  if (group !== undefined) requireCapability(engine.capabilities, 'groups', 'group', engine.name);
  assertFrom(from);
  if (from !== 'latest') requireCapability(engine.capabilities, 'replay', 'from', engine.name);
  if (concurrency !== undefined && !isAsync && concurrency !== 1) {
    throw new InvalidOptionError(
      'concurrency',
      concurrency,
      '1, or none, for a sync subscription; use subscribeAsync',
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
  const policy: DeliveryPolicy = {
    handler,
    isAsync,
    group: groupFor(group, tenant),
    tenant,
    concurrency: isAsync ? wholeNumber('concurrency', concurrency ?? defaults.workerCount) : 1,
    bufferSize: wholeNumber('bufferSize', bufferSize ?? defaults.bufferSize),
    retry: resolveRetry(options.retry ?? defaults.retry),
    handlerTimeoutMs:
      handlerTimeoutMs === undefined ? undefined : timerMs('handlerTimeoutMs', handlerTimeoutMs),
    ttlMs: defaults.ttlMs,
  };
  return { policy, from: isInFuture(from) ? 'latest' : from, deadLetter };
}

/** Such a subscription begins now: nothing that is published after `subscribe` is kept from it, whatever its broker makes of the date. */
function isInFuture(from: StartPosition): boolean {
  return from instanceof Date && from.getTime() > Date.now();
}

function assertFrom(from: unknown): void {
  if (from === 'latest' || from === 'earliest') return;
  if (from instanceof Date && !Number.isNaN(from.getTime())) return;
  throw new InvalidOptionError('from', from, '"latest", "earliest" or a valid Date');
}

function wholeNumber(option: string, value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1) return value;
  throw new InvalidOptionError(option, value, 'a whole number of at least 1');
}
