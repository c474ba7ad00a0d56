import { ownership } from './ownership.ts';
import { Script } from '../client/script.ts';

/**
 * Reads for one consumer.
 *
 * KEYS stream, owners. ARGV group, consumer, how many, the highest id the consumer has had, topic, prefix of bells,
 * how many of those that another consumer left behind, whether what is new comes first ('1'), then the keys of what the
 * consumer has not settled.
 * Returns entries as [id, fields, deliveries (1 where it is missing)], then the stream's last id where there is nothing more to
 * read, 'more', or 'held' where what is left behind has to wait until this consumer has settled something; then the highest id
 * that the consumer has had by now. What others left behind does not count there: it may be newer than what was passed on to
 * the consumer and is still to be had. Then 1 where it has not looked for anything but what is new.
 *
 * What is new comes first where it is likely that there is nothing else. It has the shortest way through the script, because
 * a lone event waits for that, and it leaves what else there is for another read; what has to come before it of the same key
 * does come before it.
 */
export const readGroup: Script = new Script(`
local group, me, most, cursor, topic, bells = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]
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
${ownership}
local again = tonumber(ARGV[7])
local out = {}
local function take(id, deliveries)
  local claimed = redis.call('XCLAIM', stream, group, me, 0, id)
  local entry = claimed[1]
  -- An entry that has been deleted meanwhile is nothing to handle.
  if entry then out[#out + 1] = {entry[1], entry[2], deliveries + 1} else redis.call('XACK', stream, group, id) end
  return entry
end
-- Whether there is nothing that has to come before what is new.
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
-- Returns whether some of it has to wait, with its owner, for what comes before it.
local function deal(entries)
  local have, rung, lives, isWaiting, hasLeft = #out, {}, {}, false, false
  for i = 1, #entries do
    local entry = entries[i]
    local key = keyOf(entry[2])
    local owner, count
    if key then owner, count = ownerOf(key) end
    local isOthers = owner and owner ~= me and owner ~= LEFT
    if isOthers and not lives[owner] then
      -- What is claimed for a consumer that is none any more would wait for nobody.
      lives[owner] = redis.call('HEXISTS', membersOf(stream, group), owner) == 1
      if not lives[owner] then
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
      if isOthers and not rung[owner] then
        rung[owner] = true
        ring(bells, owner, topic, group)
      end
    else
      if key then own(key, me, (count or 0) + 1) end
      have = have + 1
      out[have] = entry
    end
  end
  if hasLeft then ringAll(bells, topic, group) end
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
      -- One that was read before waits until nothing of its key is before it, and all of that key behind it.
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
  deal(fresh)
  local last = fresh[#fresh][1]
  return {out, #fresh < wanted and last or 'more', last}
end
local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
return {out, last[1] and last[1][1] or '0-0', cursor}
`);

/**
 * Acknowledges entries with a key, but none that another consumer has by now: its key is free once that one has settled it.
 *
 * KEYS stream, owners. ARGV group, consumer, then ids and keys in turn.
 */
export const acknowledgeKeyed: Script = new Script(`${ownership}
local group, me = ARGV[1], ARGV[2]
local function isOthers(id)
  local item = redis.call('XPENDING', stream, group, id, id, 1)[1]
  return item and item[2] ~= me and item[2] ~= LEFT
end
for i = 3, #ARGV, 2 do
  local id, key = ARGV[i], ARGV[i + 1]
  local owner, count = ownerOf(key)
  local isOurs = owner == me or owner == LEFT or not owner
  if (isOurs or not isOthers(id)) and redis.call('XACK', stream, group, id) == 1 and owner then
    own(key, owner, count - 1)
  end
end
`);

/**
 * Gives entries back that a consumer has not handled; the delivery does not count.
 *
 * A key becomes anybody's only when the consumer has nothing more of it: the answer to another read may be on its way to the
 * consumer, with entries that it will give back next and that come before what others have been given since.
 *
 * KEYS stream, owners. ARGV group, consumer, topic, prefix of bells, then ids, deliveries and keys ('' for none) in turn.
 */
export const giveBack: Script = new Script(`${ownership}
local group, me = ARGV[1], ARGV[2]
local given, isChanged = {}, false
for i = 5, #ARGV, 3 do
  local id, key = ARGV[i], ARGV[i + 2]
  local item = redis.call('XPENDING', stream, group, id, id, 1)[1]
  if item and item[2] == me then
    redis.call('XCLAIM', stream, group, LEFT, 0, id, 'RETRYCOUNT', ARGV[i + 1], 'JUSTID')
    isChanged = true
    if key ~= '' then given[key] = true end
  end
end
if not isChanged then return end
local passedOn = {}
local from = '-'
while true do
  local list = redis.call('XPENDING', stream, group, from, '+', 100, me)
  if #list == 0 then break end
  for _, item in ipairs(list) do
    from = '(' .. item[1]
    local found = redis.call('XRANGE', stream, item[1], item[1])
    local key = found[1] and keyOf(found[1][2])
    if item[4] == 0 then
      passedOn[#passedOn + 1] = {item[1], key}
    elseif key then
      given[key] = nil
    end
  end
end
for key in pairs(given) do
  local owner, count = ownerOf(key)
  if owner == me then own(key, LEFT, count) end
end
-- What others passed on to this consumer meanwhile comes after what it gave back of the same key.
for _, item in ipairs(passedOn) do
  local owner = item[2] and ownerOf(item[2])
  if owner ~= me then redis.call('XCLAIM', stream, group, LEFT, 0, item[1], 'JUSTID') end
end
ringAll(ARGV[4], ARGV[3], group)
`);

/** Ends a consumer. KEYS stream, owners. ARGV group, consumer, topic, prefix of bells. */
export const leaveGroup: Script = new Script(`${ownership}
if leave(ARGV[1], ARGV[2]) > 0 then ringAll(ARGV[4], ARGV[3], ARGV[1]) end
`);

/**
 * Ends the consumers whose lease is over, and those that never had one and have been silent for so long.
 * KEYS stream, owners. ARGV group, milliseconds, topic, prefix of bells. Returns their names.
 */
export const sweepGroup: Script = new Script(`${ownership}
local group = ARGV[1]
local dead, moved = {}, 0
local function bury(name)
  moved = moved + leave(group, name)
  dead[#dead + 1] = name
end
local now, leases = serverTime(), {}
local all = redis.call('HGETALL', membersOf(stream, group))
for i = 1, #all, 2 do
  leases[all[i]] = true
  if now >= tonumber(all[i + 1]) then bury(all[i]) end
end
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
  local name, idle
  for i = 1, #info, 2 do
    if info[i] == 'name' then name = info[i + 1] end
    if info[i] == 'idle' then idle = info[i + 1] end
  end
  if name ~= LEFT and not leases[name] and idle >= tonumber(ARGV[2]) then bury(name) end
end
if moved > 0 then ringAll(ARGV[4], ARGV[3], group) end
-- An entry that was deleted by hand is acknowledged without its key, and stays in the count.
if redis.call('XPENDING', stream, group)[1] == 0 then redis.call('DEL', owners) end
return dead
`);
