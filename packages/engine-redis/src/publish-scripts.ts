import { Script } from './script.ts';

/**
 * Adds an event to a topic that may be new. A new one is announced in the same step, with the id after which its events
 * begin, so that a pattern misses none of them.
 *
 * KEYS stream, topics, news. ARGV topic, then the entry's fields and values.
 */
export const addAnnounced: Script = new Script(`
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then
  local before = '0-0'
  local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
  if last[1] then before = last[1][1] end
  redis.call('HSET', KEYS[2], ARGV[1], before)
  redis.call('XADD', KEYS[3], '*', 'topic', ARGV[1], 'before', before)
end
return redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
`);

/**
 * The topics that begin so, each with the id of its last event, and the place in the news after which new ones come. For a
 * group, it is created where it is not there yet: at the id that is given ('$' for the end), or, where the group has had
 * this pattern before, at the topic's beginning, because nobody of it was there when the topic was new.
 *
 * KEYS topics, news, patterns. ARGV prefix of streams, prefix of topics, whether internal topics match ('1'), group or '',
 * where it begins.
 */
export const snapshot: Script = new Script(`
local function lastOf(stream)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  return last[1] and last[1][1] or '0-0'
end
local group, start = ARGV[4], ARGV[5]
local isNew = group == '' or redis.call('SADD', KEYS[3], group .. ' ' .. ARGV[2]) == 1
local found = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local topic = all[i]
  if string.sub(topic, 1, #ARGV[2]) == ARGV[2] and (ARGV[3] == '1' or string.sub(topic, 1, 1) ~= '_') then
    local stream = ARGV[1] .. topic
    if group ~= '' then
      redis.pcall('XGROUP', 'CREATE', stream, group, isNew and start or all[i + 1], 'MKSTREAM')
    end
    found[#found + 1] = topic
    found[#found + 1] = lastOf(stream)
  end
end
return {lastOf(KEYS[2]), found}
`);

/**
 * Takes out what is older than the retention, or more than the maximum, but nothing that a group has yet to settle.
 *
 * KEYS stream. ARGV the first id to keep, the maximum length or 0.
 * Returns how many went, and 1 where unsettled events kept others from going.
 */
export const trim: Script = new Script(`
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function isBefore(a, b)
  local am, as = parts(a)
  local bm, bs = parts(b)
  return am < bm or (am == bm and as < bs)
end
local stream = KEYS[1]
if redis.call('EXISTS', stream) == 0 then return {0, 0} end
local bound = ARGV[1]
local most = tonumber(ARGV[2])
if most > 0 then
  local excess = redis.call('XLEN', stream) - most
  if excess > 0 then
    local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', math.min(excess, 1000) + 1)
    local id = oldest[#oldest][1]
    if isBefore(bound, id) then bound = id end
  end
end
local isHeld = 0
for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local group, delivered
  for i = 1, #info, 2 do
    if info[i] == 'name' then group = info[i + 1] end
    if info[i] == 'last-delivered-id' then delivered = info[i + 1] end
  end
  local pending = redis.call('XPENDING', stream, group)
  local lowest = delivered
  if pending[1] > 0 then lowest = pending[2] end
  if isBefore(lowest, bound) then
    local next = redis.call('XRANGE', stream, pending[1] > 0 and lowest or ('(' .. lowest), '+', 'COUNT', 1)
    if next[1] and isBefore(next[1][1], bound) then
      bound = next[1][1]
      isHeld = 1
    end
  end
end
return {redis.call('XTRIM', stream, 'MINID', bound), isHeld}
`);
