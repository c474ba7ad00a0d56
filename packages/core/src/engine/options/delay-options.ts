import type { PublishOptions } from '../../contract/bus.ts';
import { type CapableEngine, requireCapability } from '../../contract/capabilities.ts';
import type { Delay } from '../../contract/transport.ts';
import { InvalidOptionError } from '../../errors/errors.ts';

/** The longest `delayMs`: more than 250,000 years. The delay then ends at a valid Date. */
const longestMs = 8e15;

/** Returns true if the options delay an event. */
export function isDelayed({ delayMs, at }: PublishOptions): boolean {
  return delayMs !== undefined || at !== undefined;
}

/**
 * Returns the delay of the options `delayMs` and `at`, one of which is set; undefined if the event is due already.
 *
 * @throws as {@link assertCanDelay} does.
 */
export function delayOf(options: PublishOptions, engine: CapableEngine): Delay | undefined {
  assertCanDelay(options, engine);
  const { delayMs, at } = options;
  if (at === undefined) return delayMs! > 0 ? { delayMs: delayMs! } : undefined;
  return at.getTime() > Date.now() ? { at: at.getTime() } : undefined;
}

/**
 * Validates the options `delayMs` and `at`, one of which is set, for the engine that gets them.
 *
 * @throws {@link InvalidOptionError} if an option is invalid, or both are set.
 * @throws {@link UnsupportedCapabilityError} if the engine cannot delay events.
 */
export function assertCanDelay(options: PublishOptions, engine: CapableEngine): void {
  assertDelay(options);
  requireCapability(engine, 'delay', options.at === undefined ? 'delayMs' : 'at');
}

/** @throws {@link InvalidOptionError} if the options `delayMs` and `at` are invalid. */
export function assertDelay({ delayMs, at }: PublishOptions): void {
  if (delayMs !== undefined && at !== undefined)
    throw new InvalidOptionError('at', at, 'only one of delayMs and at');
  if (delayMs !== undefined && !(typeof delayMs === 'number' && delayMs >= 0 && delayMs <= longestMs))
    throw new InvalidOptionError('delayMs', delayMs, 'milliseconds, 0 or more and at most 8e15');
  if (at !== undefined && !(at instanceof Date && !Number.isNaN(at.getTime())))
    throw new InvalidOptionError('at', at, 'a valid Date');
}
