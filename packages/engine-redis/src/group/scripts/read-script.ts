import { Script } from '../../client/script.ts';
import { keyOrder } from './key-order-lua.ts';
import { membership } from '../../store/member-leases-lua.ts';

/**
 * Reads entries for one consumer.
 *
 * KEYS stream, owners. ARGV group, consumer, the maximum number of entries, the highest id that the consumer has read, topic, prefix
 * of wake-up streams, the maximum number of entries that another consumer left behind after reading them, '1' if new entries come
 * first, then the keys of the consumer's unsettled entries.
 *
 * Returns
 * 1. entries as [id, fields, deliveries (1 if missing)],
 * 2. the stream's last id if no entry is left to read, 'more' if there are more entries, or 'held' if entries that another consumer left
 *    behind have to wait until this consumer has settled some of its entries,
 * 3. the highest id that the consumer has read now. Entries that another consumer left behind do not count, because they may be newer
 *    than entries that were passed on to this consumer and that it has not read yet,
 * 4. 1 if the script read only new entries.
 *
 * The script reads new entries first if there are probably no other entries. This is its shortest path, for the latency of a single
 * event. It leaves other entries to the next read, except entries that come before a new entry of the same key.
 */
export const readGroup: Script = new Script(`
local group, me, most, cursor, topic, wakePrefix = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]
local fresh
local function readNew(count)
  local read = redis.call('XREADGROUP', 'GROUP', group, me, 'COUNT', count, 'STREAMS', KEYS[1], '>')
  return read and read[1] and read[1][2]
end
if ARGV[8] == '1' then
  fresh = readNew(most)
  if fresh then
    local got, isKeyed = #fresh, false
    for i = 1, got do isKeyed = isKeyed or #fresh[i][2] > 2 end
    if not isKeyed then return {fresh, got < most and fresh[got][1] or 'more', cursor, 1} end
  end
end
${membership}${keyOrder}
local again = tonumber(ARGV[7])
local out = {}
local function take(id, deliveries)
  local claimed = redis.call('XCLAIM', stream, group, me, 0, id)
  local entry = claimed[1]
  -- An entry that was deleted meanwhile needs no handler.
  if entry then out[#out + 1] = {entry[1], entry[2], deliveries + 1} else redis.call('XACK', stream, group, id) end
  return entry
end
-- Returns whether no unread entry of this consumer has to come before a new entry.
local isFirst
local function nothingBefore(id)
  if isFirst ~= nil then return isFirst end
  isFirst = #redis.call('XPENDING', stream, group, '-', '+', 1, LEFT) == 0
  local from = '(' .. cursor
  while isFirst do
    local list = redis.call('XPENDING', stream, group, from, '(' .. id, 100, me)
    if #list == 0 then break end
    for _, item in ipairs(list) do
      from = '(' .. item[1]
      if item[4] == 0 then isFirst = false end
    end
  end
  return isFirst
end
-- Assigns new entries by key. Returns whether an entry has to wait with its owner for entries before it.
local function deal(entries)
  local have, woken, isMember, isWaiting, hasLeft = #out, {}, {}, false, false
  for i = 1, #entries do
    local entry = entries[i]
    local key = keyOf(entry[2])
    local owner, count
    if key then owner, count = ownerOf(key) end
    local isOthers = owner and owner ~= me and owner ~= LEFT
    if isOthers and not isMember[owner] then
      -- No consumer would read an entry that is claimed for a consumer that no longer exists.
      isMember[owner] = redis.call('HEXISTS', membersOf(stream, group), owner) == 1
      if not isMember[owner] then
        leave(group, owner)
        owner, count = ownerOf(key)
        isOthers, isFirst, hasLeft = false, false, true
      end
    end
    local waits = owner and not isOthers and not nothingBefore(entries[1][1])
    if isOthers or waits then
      redis.call('XCLAIM', stream, group, owner, 0, entry[1], 'RETRYCOUNT', 0, 'JUSTID')
      own(key, owner, count + 1)
      isWaiting = isWaiting or waits
      if isOthers and not woken[owner] then
        woken[owner] = true
        wake(wakePrefix, owner, topic, group)
      end
    else
      if key then own(key, me, (count or 0) + 1) end
      have = have + 1
      out[have] = entry
    end
  end
  if hasLeft then wakeAll(wakePrefix, topic, group) end
  return isWaiting
end
if fresh and not deal(fresh) then
  local last = fresh[#fresh][1]
  return {out, #fresh < most and last or 'more', isFirst and last or cursor, 1}
end
local held, isHeld, inHand = {}, false, {}
for i = 9, #ARGV do inHand[ARGV[i]] = true end
local from = '-'
while #out < most do
  local list = redis.call('XPENDING', stream, group, from, '+', 100, LEFT)
  if #list == 0 then break end
  for _, item in ipairs(list) do
    if #out >= most then return {out, 'more', cursor} end
    local id = item[1]
    from = '(' .. id
    local found = redis.call('XRANGE', stream, id, id)
    local key = found[1] and keyOf(found[1][2])
    local owner, count
    if key then owner, count = ownerOf(key) end
    if not owner or owner == LEFT or owner == me then
      if item[4] > 0 and again <= 0 then return {out, 'held', cursor} end
      -- An entry that another consumer had read waits while this consumer has unsettled entries of its key.
      -- Later entries of the key wait behind it.
      if key and (held[key] or (item[4] > 0 and inHand[key])) then
        held[key] = true
        isHeld = true
      else
        if take(id, item[4]) and item[4] > 0 then
          again = again - 1
          if key then inHand[key] = true end
        end
        if key then own(key, me, math.max(count, 1)) end
      end
    end
  end
end
if isHeld then return {out, 'held', cursor} end
from = '(' .. cursor
while #out < most do
  local list = redis.call('XPENDING', stream, group, from, '+', 100, me)
  if #list == 0 then break end
  for _, item in ipairs(list) do
    if #out >= most then return {out, 'more', cursor} end
    cursor = item[1]
    from = '(' .. cursor
    if item[4] == 0 then take(cursor, 0) end
  end
end
if #out >= most then return {out, 'more', cursor} end
local wanted = most - #out
isFirst = true
fresh = readNew(wanted)
if fresh then
  -- If a dead owner was found, entries of this consumer's keys wait behind the cursor, and the next read takes them.
  if deal(fresh) then return {out, 'more', cursor} end
  local last = fresh[#fresh][1]
  return {out, #fresh < wanted and last or 'more', last}
end
local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
return {out, last[1] and last[1][1] or '0-0', cursor}
`);
