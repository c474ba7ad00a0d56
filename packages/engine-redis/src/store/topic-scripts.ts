import { membership } from './member-leases-lua.ts';
import { Script } from '../client/script.ts';
import { idOrder } from './lua.ts';

/**
 * Lua for the creation of groups and topics. A new topic needs the groups whose patterns match, and a new group needs the existing topics:
 * a group that is created after a topic's first events misses events that were trimmed meanwhile.
 */
export const creation: string = `${idOrder}${membership}
local function lastOf(stream)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  return last[1] and last[1][1] or '0-0'
end
-- Returns the id after which later events are added, even if the server refuses to read the stream.
local function endOf(stream)
  local last = redis.pcall('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  if last.err then return string.format('%.0f-18446744073709551615', serverTime() - 1) end
  return last[1] and last[1][1] or '0-0'
end
local function hasGroup(stream, group)
  for _, info in ipairs(redis.pcall('XINFO', 'GROUPS', stream)) do
    for i = 1, #info, 2 do
      if info[i] == 'name' and info[i + 1] == group then return true end
    end
  end
  return false
end
-- A new group has no members and no owners of keys, so data that an earlier group of this name has left is deleted.
-- An existing group is not created again to find out that it exists: a full server would refuse that.
local function create(stream, group, start)
  if hasGroup(stream, group) then return {} end
  local made = redis.pcall('XGROUP', 'CREATE', stream, group, start, 'MKSTREAM')
  if made.ok then redis.call('DEL', stream .. ':owners:' .. group, membersOf(stream, group)) end
  return made
end
local function join(stream, group, consumer, leaseMs)
  if consumer ~= '' then enrol(stream, group, consumer, leaseMs) end
end
local function matches(prefix, topic)
  if string.sub(topic, 1, #prefix) ~= prefix then return false end
  return string.sub(prefix, 1, 1) == '_' or string.sub(topic, 1, 1) ~= '_'
end
-- Creates every group that has a pattern for this topic.
local function announce(topics, news, patterns, stream, topic)
  if redis.call('HEXISTS', topics, topic) == 1 then return end
  local before = lastOf(stream)
  redis.call('HSET', topics, topic, before)
  redis.call('XADD', news, '*', 'topic', topic, 'before', before)
  local all = redis.call('HGETALL', patterns)
  for i = 1, #all, 2 do
    local group, prefix = string.match(all[i], '^(.*) ([^ ]*)$')
    local start = isBefore(before, all[i + 1]) and all[i + 1] or before
    if matches(prefix, topic) then create(stream, group, start) end
  end
end
`;

/**
 * Adds an event to a topic that may be new. A new topic is announced in the same step, with the id after which its events begin, so
 * that subscriptions to a pattern miss none of them.
 *
 * KEYS stream, topics, news, patterns. ARGV topic, then the entry's fields and values.
 */
export const addAnnounced: Script = new Script(`${creation}
announce(KEYS[2], KEYS[3], KEYS[4], KEYS[1], ARGV[1])
return redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
`);

/**
 * Creates a group if it does not exist, and its consumer. This also creates the stream. Publishers to an existing stream do not check
 * whether its topic is announced, so this script announces it.
 *
 * KEYS stream, topics, news, patterns. ARGV topic, group, the id after which it begins, consumer or '', milliseconds of its lease.
 */
export const createGroup: Script = new Script(`${creation}
local made = create(KEYS[1], ARGV[2], ARGV[3])
if made.err then return made end
-- This write comes first: a full server does not refuse the writes of a script that has already written.
join(KEYS[1], ARGV[2], ARGV[4], ARGV[5])
announce(KEYS[2], KEYS[3], KEYS[4], KEYS[1], ARGV[1])
`);

/**
 * Returns the id of the last announcement, and the topics with a prefix. For each topic, it returns the id after which the group begins
 * if it does not exist, or without a group the id of the last event. Creates the group in each of the topics if it does not exist: at the given
 * id ('$' for the end), or, if the group had this pattern before, at the topic's beginning, because the group had no member when the
 * topic was announced. A topic that the server refuses, because of its type or of the user's permissions, does not affect the others.
 *
 * KEYS topics, news, patterns. ARGV prefix of streams, prefix of topics, group or '', the id after which it begins, consumer or '',
 * milliseconds of its lease.
 */
export const snapshot: Script = new Script(`${creation}
local streams, prefix, group, start, consumer, leaseMs = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local isNew = group ~= '' and redis.call('HEXISTS', KEYS[3], group .. ' ' .. prefix) == 0
local found = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local topic = all[i]
  if matches(prefix, topic) then
    local stream = streams .. topic
    local first = endOf(stream)
    if group ~= '' then
      if not isNew then first = all[i + 1] elseif start ~= '$' then first = start end
      if not create(stream, group, first).err then join(stream, group, consumer, leaseMs) end
    end
    found[#found + 1] = topic
    found[#found + 1] = first
  end
end
if isNew then redis.call('HSET', KEYS[3], group .. ' ' .. prefix, start == '$' and '0-0' or start) end
return {lastOf(KEYS[2]), found}
`);
