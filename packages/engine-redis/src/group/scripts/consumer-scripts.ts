import { Script } from '../../client/script.ts';
import { keyOrder } from './key-order-lua.ts';
import { membership } from '../../store/member-leases-lua.ts';

/**
 * Renews a consumer's lease. KEYS stream. ARGV group, consumer, milliseconds.
 * Returns 1 if the consumer was not a member, so that other members may have taken over its entries, and the number of its pending entries.
 */
export const renewLease: Script = new Script(`${membership}
local isNew = enrol(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
for _, of in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1])[4] or {}) do
  if of[1] == ARGV[2] then return {isNew, tonumber(of[2])} end
end
return {isNew, 0}
`);

/** Sets the delivery counts of entries. KEYS stream. ARGV group, consumer, then alternating ids and counts. */
export const recordAttempts: Script = new Script(`
for i = 3, #ARGV, 2 do
  -- Skips an entry that another consumer has by now, because claiming would take it from that consumer.
  if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2]) > 0 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'RETRYCOUNT', ARGV[i + 1], 'JUSTID')
  end
end
`);

/**
 * Compares a consumer's pending entries with the entries that the consumer knows. This is one script, because an entry that is pending
 * for the consumer now may belong to another consumer at the next command.
 *
 * KEYS stream. ARGV group, consumer, then the ids that the consumer knows. Returns the pending entries that it does not know, as
 * [id, fields, deliveries], then the ids that are no longer pending for it.
 */
export const comparePending: Script = new Script(`
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
    -- An entry without a delivery was passed on to the consumer, which has not read it yet.
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

/**
 * Acknowledges entries with a key, except entries that another consumer has by now. The key of such an entry is free when that consumer
 * settles the entry.
 *
 * KEYS stream, owners. ARGV group, consumer, then alternating ids and keys.
 */
export const acknowledgeKeyed: Script = new Script(`${membership}${keyOrder}
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
 * Releases entries that a consumer has not handled. The delivery does not count as an attempt.
 *
 * A key is free for other consumers only when the consumer has no more entries of the key. The answer to another read may be on its way
 * to the consumer, with entries that it will release next. These come before entries that other consumers have received since.
 *
 * KEYS stream, owners. ARGV group, consumer, topic, prefix of wake-up streams, then
 * alternating ids, deliveries and keys ('' for none).
 */
export const giveBack: Script = new Script(`${membership}${keyOrder}
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
-- Entries that other consumers passed on to this consumer meanwhile come after the released entries of the same key.
for _, item in ipairs(passedOn) do
  local owner = item[2] and ownerOf(item[2])
  if owner ~= me then redis.call('XCLAIM', stream, group, LEFT, 0, item[1], 'JUSTID') end
end
wakeAll(ARGV[4], ARGV[3], group)
`);

/** Removes a consumer. KEYS stream, owners. ARGV group, consumer, topic, prefix of wake-up streams. */
export const leaveGroup: Script = new Script(`${membership}${keyOrder}
if leave(ARGV[1], ARGV[2]) > 0 then wakeAll(ARGV[4], ARGV[3], ARGV[1]) end
`);
