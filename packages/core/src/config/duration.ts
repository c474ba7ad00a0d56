import type { Duration } from '../contract/bus.ts';

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
/** Matches one or more amounts with a unit, which add up, as Go writes them: `1h30m0s`. */
export const durationGrammar: RegExp = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;

/** The form of a duration, for messages. */
export const durationForm = 'milliseconds, or text such as "250ms", "30s", "5m", "1h30m", "7d"';

/** Returns a duration in milliseconds; undefined if the value is not a duration of at least zero. */
export function durationMs(value: Duration): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value : undefined;
  if (!durationGrammar.test(value)) return undefined;
  let sum = 0;
  // Alternating amounts and units.
  const parts = value.split(/([a-z]+)/);
  for (let i = 0; i + 1 < parts.length; i += 2)
    sum += Number(parts[i]) * units[parts[i + 1] as keyof typeof units];
  return sum;
}
