/** Before every entry. */
export const firstId = '0-0';

const lastSequence = '18446744073709551615';

/** Negative where `a` comes before `b`. */
export function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  const [x, y] = [a.indexOf('-'), b.indexOf('-')];
  // Digit under digit: as of most that meet.
  if (x === y && a.length === b.length) return a < b ? -1 : 1;
  return Number(a.slice(0, x)) - Number(b.slice(0, y)) || compareSequences(a.slice(x + 1), b.slice(y + 1));
}

/** Up to 64 bits, so not as numbers. */
function compareSequences(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** When an entry was added. */
export function timeOf(id: string): Date {
  return new Date(Number(id.slice(0, id.indexOf('-'))));
}

/** The id after which everything is that was added at this time or later. */
export function idBefore(time: Date): string {
  const ms = Math.floor(time.getTime());
  return ms <= 0 ? firstId : `${ms - 1}-${lastSequence}`;
}

/** Lua for scripts: `isBefore(a, b)`. */
export const idOrder = `
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function isBefore(a, b)
  local am, as = parts(a)
  local bm, bs = parts(b)
  return am < bm or (am == bm and as < bs)
end
`;
