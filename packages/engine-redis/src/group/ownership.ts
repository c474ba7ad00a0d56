import { membership } from './consumer-scripts.ts';
import { keyField, leftBehind } from '../store/stream-keys.ts';

/**
 * Redis hands the entries of a group to whoever asks, which keeps no order per key. So a key that has unsettled events
 * belongs to the consumer that has them, and further events of that key go to the same consumer, whoever reads them.
 *
 * What a consumer gave back, or left behind when it died, waits with the consumer "${leftBehind}" and is taken, oldest first,
 * before anything newer.
 */
export const ownership: string = `${membership}
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
local function own(key, owner, count)
  if count > 0 then redis.call('HSET', owners, key, count .. ' ' .. owner) else redis.call('HDEL', owners, key) end
end
local function ring(bells, consumer, topic, group)
  local bell = bells .. string.match(consumer, '^[^.]+')
  redis.call('XADD', bell, 'MAXLEN', '~', 1000, '*', 'topic', topic, 'group', group)
  redis.call('EXPIRE', bell, 3600)
end
local function ringAll(bells, topic, group)
  local rung = {}
  for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
    local name = info[2]
    local engine = string.match(name, '^[^.]+')
    if name ~= LEFT and not rung[engine] then
      rung[engine] = true
      ring(bells, name, topic, group)
    end
  end
end
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
  -- Before what else is written: a server that is full refuses no write of a script that has written already.
  redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer)
  redis.call('HDEL', membersOf(stream, group), consumer)
  local all = redis.call('HGETALL', owners)
  for i = 1, #all, 2 do
    local owner, count = ownerOf(all[i])
    if owner == consumer then
      own(all[i], LEFT, count)
      -- Entries of the key may have been left behind before, and have waited for this.
      moved = moved + 1
    end
  end
  return moved
end
`;
