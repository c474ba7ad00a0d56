/** Matches the common form of RFC 3339 times that need no calendar check: days up to the 28th and no leap seconds. */
const plain =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
/** Matches RFC 3339, section 5.6, also with years beyond 9999: year, month, day, hour and minute, second, fraction, offset. */
const timestamp =
  /^(\d{4}|[+-]\d{6})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[T ]((?:[01]\d|2[0-3]):[0-5]\d):([0-5]\d|60)(\.\d+)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i;

const dayMs = 24 * 60 * 60 * 1000;

/**
 * Parses an RFC 3339 time. `Date` has no leap seconds: `23:59:60` becomes the first second of the next day.
 *
 * @returns Milliseconds since the epoch; NaN for any other text and for days that do not exist.
 */
export function parseTimestamp(text: string): number {
  if (plain.test(text)) return Date.parse(text);
  const [, year, month, day, minute, second, fraction = '', offset] = timestamp.exec(text) ?? [];
  if (year === undefined || Number(day) > daysOf(Number(year), Number(month))) return Number.NaN;
  const isLeap = second === '60';
  const start = `${year}-${month}-${day}T${minute}:${isLeap ? '59' : second}`;
  const zone = offset!.toUpperCase();
  const time = Date.parse(start + fraction + zone);
  if (!isLeap) return time;
  // A leap second can only be the last second of a UTC day.
  return (Date.parse(start + zone) + 1000) % dayMs === 0 ? time + 1000 : Number.NaN;
}

function daysOf(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}
