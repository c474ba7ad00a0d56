/** The id before every entry. */
export const firstId = '0-0';

const lastSequence = '18446744073709551615';

/** Negative if `a` comes before `b`. */
export function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  const [x, y] = [a.indexOf('-'), b.indexOf('-')];
  // The common case: digits of equal places align.
  if (x === y && a.length === b.length) return a < b ? -1 : 1;
  return Number(a.slice(0, x)) - Number(b.slice(0, y)) || compareSequences(a.slice(x + 1), b.slice(y + 1));
}

/** Sequences have up to 64 bits, so they are not compared as numbers. */
function compareSequences(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** When an entry was added. */
export function timeOf(id: string): Date {
  return new Date(Number(id.slice(0, id.indexOf('-'))));
}

/** The id after which all entries come that were added at this time or later. */
export function idBefore(time: Date): string {
  const ms = Math.floor(time.getTime());
  return ms <= 0 ? firstId : `${ms - 1}-${lastSequence}`;
}
