import { keyField, leftBehind } from '../../store/stream-keys.ts';

/**
 * Lua for scripts: the order per key in a group.
 *
 * Redis delivers the entries of a group to any consumer that reads, so it keeps no order per key. Therefore a key with unsettled
 * events belongs to the consumer that has them. Further events of the key go to the same consumer, whichever consumer reads them.
 *
 * Entries that a consumer has released, or had when it died, belong to the consumer "${leftBehind}". Members take these entries, oldest
 * first, before newer entries.
 *
 * A script includes `membership` before this part. Its first two keys are \`stream\` and \`owners\`.
 */
export const keyOrder: string = `
local stream, owners = KEYS[1], KEYS[2]
local LEFT = '${leftBehind}'
local function keyOf(fields)
  if #fields < 3 then return nil end
  for i = 1, #fields, 2 do
    if fields[i] == '${keyField}' and fields[i + 1] ~= '' then return fields[i + 1] end
  end
end
local function ownerOf(key)
  local value = redis.call('HGET', owners, key)
  if not value then return nil, 0 end
  local count, owner = string.match(value, '^(%d+) (.*)$')
  return owner, tonumber(count)
end
-- Sets the owner of a key and the number of its unsettled entries.
local function own(key, owner, count)
  if count > 0 then redis.call('HSET', owners, key, count .. ' ' .. owner) else redis.call('HDEL', owners, key) end
end
-- Wakes the blocking reader of a consumer's engine, which also reads the engine's wake-up stream.
local function wake(wakePrefix, consumer, topic, group)
  local wakeStream = wakePrefix .. string.match(consumer, '^[^.]+')
  redis.call('XADD', wakeStream, 'MAXLEN', '~', 1000, '*', 'topic', topic, 'group', group)
  redis.call('EXPIRE', wakeStream, 3600)
end
-- Wakes the engines of all consumers of the group.
local function wakeAll(wakePrefix, topic, group)
  local woken = {}
  for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
    local name = info[2]
    local engine = string.match(name, '^[^.]+')
    if name ~= LEFT and not woken[engine] then
      woken[engine] = true
      wake(wakePrefix, name, topic, group)
    end
  end
end
-- Removes a consumer, and leaves its entries to other consumers. Returns the number of these entries and of its keys.
local function leave(group, consumer)
  local from = '-'
  local moved = 0
  while true do
    local list = redis.call('XPENDING', stream, group, from, '+', 100, consumer)
    if #list == 0 then break end
    for _, item in ipairs(list) do
      redis.call('XCLAIM', stream, group, LEFT, 0, item[1], 'JUSTID')
      from = '(' .. item[1]
      moved = moved + 1
    end
  end
  -- This write comes first: a full server does not refuse the writes of a script that has already written.
  redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer)
  redis.call('HDEL', membersOf(stream, group), consumer)
  local all = redis.call('HGETALL', owners)
  for i = 1, #all, 2 do
    local owner, count = ownerOf(all[i])
    if owner == consumer then
      own(all[i], LEFT, count)
      -- Earlier entries of the key may already wait with LEFT until this consumer gives up the key.
      moved = moved + 1
    end
  end
  return moved
end
`;
