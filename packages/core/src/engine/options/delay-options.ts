import type { PublishOptions } from '../../contract/bus.ts';
import { type Capabilities, requireCapability } from '../../contract/capabilities.ts';
import type { Delay } from '../../contract/transport.ts';
import { InvalidOptionError } from '../../errors/errors.ts';

/** Returns true if the options delay an event. */
export function isDelayed({ delayMs, at }: PublishOptions): boolean {
  return delayMs !== undefined || at !== undefined;
}

/**
 * Returns the delay of the options `delayMs` and `at`, one of which is set; undefined if the event is due already.
 *
 * @throws {@link UnsupportedCapabilityError} if the engine cannot delay events.
 * @throws {@link InvalidOptionError} if an option is invalid, or both are set.
 */
export function delayOf(
  options: PublishOptions,
  engine: { readonly name: string; readonly type: string; readonly capabilities: Capabilities },
): Delay | undefined {
  assertDelay(options);
  const { delayMs, at } = options;
  requireCapability(engine, 'delay', at === undefined ? 'delayMs' : 'at');
  if (at === undefined) return delayMs! > 0 ? { delayMs: delayMs! } : undefined;
  return at.getTime() > Date.now() ? { at: at.getTime() } : undefined;
}

/** @throws {@link InvalidOptionError} if the options `delayMs` and `at` are invalid. */
export function assertDelay({ delayMs, at }: PublishOptions): void {
  if (delayMs !== undefined && at !== undefined)
    throw new InvalidOptionError('at', at, 'only one of delayMs and at');
  if (delayMs !== undefined && !(typeof delayMs === 'number' && delayMs >= 0 && endsAtDate(delayMs)))
    throw new InvalidOptionError('delayMs', delayMs, 'milliseconds, 0 or more, that end at a valid Date');
  if (at !== undefined && !(at instanceof Date && !Number.isNaN(at.getTime())))
    throw new InvalidOptionError('at', at, 'a valid Date');
}

function endsAtDate(delayMs: number): boolean {
  return !Number.isNaN(new Date(Date.now() + delayMs).getTime());
}
