import { Script } from './script.ts';

/**
 * An id that no entry comes after. What is read after it has been had, so reading brings nothing; the highest of all ids
 * would mean what has not been had.
 */
const aboveAll = '18446744073709551614-0';

/**
 * Tells the group that a consumer lives. Until Redis 7.2 the server counts what it has heard of a consumer from a read
 * or a claim that could bring something: a claim of nothing, and a read of what is new where nothing is, leave no trace.
 *
 * KEYS stream. ARGV group, consumer. Returns how many entries are pending for the consumer.
 */
export const beat: Script = new Script(`
redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', 1, 'STREAMS', KEYS[1], '${aboveAll}')
for _, of in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1])[4] or {}) do
  if of[1] == ARGV[2] then return tonumber(of[2]) end
end
return 0
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
 * What a consumer was handed without getting it. In one step: what is pending for it now may be another's later.
 *
 * KEYS stream. ARGV group, consumer, then the ids that it knows. Returns entries as [id, fields, deliveries].
 */
export const lostEntries: Script = new Script(`
local known, out, from = {}, {}, '-'
for i = 3, #ARGV do known[ARGV[i]] = true end
while true do
  local list = redis.call('XPENDING', KEYS[1], ARGV[1], from, '+', 100, ARGV[2])
  if #list == 0 then return out end
  for _, item in ipairs(list) do
    local id, deliveries = item[1], item[4]
    from = '(' .. id
    -- One without a delivery was passed on, and is still to be read.
    if deliveries > 0 and not known[id] then
      local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
      if entry then out[#out + 1] = {id, entry[2], deliveries} else redis.call('XACK', KEYS[1], ARGV[1], id) end
    end
  end
end
`);
