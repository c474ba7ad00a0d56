/*
 * Lua code that several scripts share.
 */

/** `serverTime()`: milliseconds since the epoch by the server's clock, which also makes the ids of entries. */
export const serverTime = `
local function serverTime()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/** `isBefore(a, b)` compares the ids of two entries. */
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
