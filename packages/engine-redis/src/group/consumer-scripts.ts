import { Script } from '../client/script.ts';

/**
 * An id that no entry comes after. What is read after it has been had, so reading brings nothing; the highest of all ids
 * would mean what has not been had.
 */
const aboveAll = '18446744073709551614-0';

/** Lua for scripts: `serverTime()`, milliseconds since the epoch by the server's clock, which the ids of entries go by too. */
export const serverTime = `
local function serverTime()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/**
 * Each member of a group says itself until when it lives, by the server's clock. What the server knows of a consumer will not do:
 * it also counts what others claim for that consumer.
 *
 * `enrol` returns 1 if the consumer was no member. It begins with a read of nothing, which makes the consumer exist, and which a
 * server that is full lets pass: it refuses no write of a script that has written already.
 */
export const membership: string = `${serverTime}
local function membersOf(stream, group) return stream .. ':members:' .. group end
local function enrol(stream, group, consumer, leaseMs)
  redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', stream, '${aboveAll}')
  return redis.call('HSET', membersOf(stream, group), consumer, serverTime() + leaseMs)
end
`;

/**
 * Renews a consumer's lease. KEYS stream. ARGV group, consumer, milliseconds.
 * Returns 1 if it was no member, so that others may have taken over what it had, and how many entries are pending for it.
 */
export const beat: Script = new Script(`${membership}
local isNew = enrol(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
for _, of in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1])[4] or {}) do
  if of[1] == ARGV[2] then return {isNew, tonumber(of[2])} end
end
return {isNew, 0}
`);

/** Sets the counts of entries. KEYS stream. ARGV group, consumer, then ids and counts in turn. */
export const recordAttempts: Script = new Script(`
for i = 3, #ARGV, 2 do
  -- Not of one that is another's by now: claiming would take it away.
  if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2]) > 0 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'RETRYCOUNT', ARGV[i + 1], 'JUSTID')
  end
end
`);

/**
 * What a consumer was handed without getting it, and what it has no longer. In one step: what is pending for it now may be
 * another's later.
 *
 * KEYS stream. ARGV group, consumer, then the ids that it knows. Returns entries as [id, fields, deliveries], then the ids that
 * are not pending for it.
 */
export const ownEntries: Script = new Script(`
local known, out, from = {}, {}, '-'
for i = 3, #ARGV do known[ARGV[i]] = true end
while true do
  local list = redis.call('XPENDING', KEYS[1], ARGV[1], from, '+', 100, ARGV[2])
  if #list == 0 then break end
  for _, item in ipairs(list) do
    local id, deliveries = item[1], item[4]
    from = '(' .. id
    local isKnown = known[id]
    known[id] = nil
    -- One without a delivery was passed on, and is still to be read.
    if deliveries > 0 and not isKnown then
      local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
      if entry then out[#out + 1] = {id, entry[2], deliveries} else redis.call('XACK', KEYS[1], ARGV[1], id) end
    end
  end
end
local gone = {}
for id in pairs(known) do gone[#gone + 1] = id end
return {out, gone}
`);
