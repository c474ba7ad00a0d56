import { Script } from '../client/script.ts';
import { idOrder, serverTime } from './lua.ts';

/** The maximum number of entries that one step removes, so that no step blocks the server for long. */
const stepSize = 500;

/**
 * Removes some of the entries that are older than the retention or exceed the maximum length, but no entry that a group has not settled.
 * Stores the last removed id: a subscription without a group compares it with its position to report missed events.
 *
 * KEYS stream, trimmed. ARGV the retention in milliseconds, the maximum length or 0, topic.
 * Returns 1 if there is more to remove, and 1 if unsettled entries kept others from being removed.
 */
export const trim: Script = new Script(`${idOrder}${serverTime}local stream, step = KEYS[1], ${stepSize}
if redis.call('EXISTS', stream) == 0 then return {0, 0} end
-- Uses the server's clock, which also makes the ids, because a client whose clock is ahead would remove young entries.
local bound, more = string.format('%.0f-0', math.max(1, serverTime() - ARGV[1])), 0
local most = tonumber(ARGV[2])
if most > 0 then
  local excess = redis.call('XLEN', stream) - most
  if excess > 0 then
    if excess > step then more = 1 end
    local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', math.min(excess, step) + 1)
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
if isHeld == 1 then more = 0 end
local going = redis.call('XRANGE', stream, '-', '(' .. bound, 'COUNT', step + 1)
if #going == 0 then return {0, isHeld} end
if #going > step then
  more = 1
  bound = going[#going][1]
  going[#going] = nil
end
-- XTRIM comes first: a full server refuses only the first write of a script, and never refuses XTRIM.
redis.call('XTRIM', stream, 'MINID', bound)
redis.call('HSET', KEYS[2], ARGV[3], going[#going][1])
return {more, isHeld}
`);
