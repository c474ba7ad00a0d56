/** The times of RFC 3339 as most write them, which need no look at the calendar: without days after the 28th, and without leap seconds. */
const plain =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
/** RFC 3339, section 5.6, and the years beyond 9999 that a `Date` can hold: year, month, day, time to the minute, second, fraction, offset. */
const timestamp =
  /^(\d{4}|[+-]\d{6})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[T ]((?:[01]\d|2[0-3]):[0-5]\d):([0-5]\d|60)(\.\d+)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i;

const dayMs = 24 * 60 * 60 * 1000;

/**
 * The time in a text of RFC 3339, in milliseconds since the epoch. A `Date` has no leap seconds: `23:59:60` is the first second of the
 * next day.
 *
 * @returns NaN for any other text, and for days that no calendar has.
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
  // A leap second is the last of a day in UTC, and of no other minute.
  return (Date.parse(start + zone) + 1000) % dayMs === 0 ? time + 1000 : Number.NaN;
}

function daysOf(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}
