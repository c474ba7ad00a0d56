import { membership } from '../group/consumer-scripts.ts';
import { Script } from '../client/script.ts';
import { idOrder } from '../store/stream-ids.ts';

/**
 * Groups and topics come to be in scripts, because each has to know of the other: a group that is created after a topic's first
 * events misses what was trimmed meanwhile.
 *
 * Each script has the keys topics, news and patterns; `streams` is what the names of streams begin with.
 */
const places = `${idOrder}${membership}
local function lastOf(stream)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
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
-- A group that is created has settled everything, and nobody is in it or owns a key: what another of this name left goes.
-- One that is there is not created again to find that out: a server that is full would refuse it.
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
-- Every group that has had a pattern of this topic gets its place in it.
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
 * Adds an event to a topic that may be new. A new one is announced in the same step, with the id after which its events
 * begin, so that a pattern misses none of them.
 *
 * KEYS stream, topics, news, patterns. ARGV topic, then the entry's fields and values.
 */
export const addAnnounced: Script = new Script(`${places}
announce(KEYS[2], KEYS[3], KEYS[4], KEYS[1], ARGV[1])
return redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
`);

/**
 * Creates a group where it is not there, and its consumer. It makes the stream exist, so that publishers need not look whether
 * the topic is known: hence it is announced here.
 *
 * KEYS stream, topics, news, patterns. ARGV topic, group, where it begins, consumer or '', milliseconds of its lease.
 */
export const createGroup: Script = new Script(`${places}
local made = create(KEYS[1], ARGV[2], ARGV[3])
if made.err then return made end
-- First: a server that is full refuses no write of a script that has written already.
join(KEYS[1], ARGV[2], ARGV[4], ARGV[5])
announce(KEYS[2], KEYS[3], KEYS[4], KEYS[1], ARGV[1])
`);

/**
 * The topics that begin so, each with the id of its last event, and the place in the news after which new ones come. For a
 * group, it is created where it is not there yet: at the id that is given ('$' for the end), or, where the group has had
 * this pattern before, at the topic's beginning, because nobody of it was there when the topic was new.
 *
 * KEYS topics, news, patterns. ARGV prefix of streams, prefix of topics, group or '', where it begins, consumer or '',
 * milliseconds of its lease.
 */
export const snapshot: Script = new Script(`${places}
local streams, prefix, group, start, consumer, leaseMs = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local isNew = group ~= '' and redis.call('HEXISTS', KEYS[3], group .. ' ' .. prefix) == 0
local found = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local topic = all[i]
  if matches(prefix, topic) then
    local stream = streams .. topic
    if group ~= '' and not create(stream, group, isNew and start or all[i + 1]).err then
      join(stream, group, consumer, leaseMs)
    end
    found[#found + 1] = topic
    found[#found + 1] = lastOf(stream)
  end
end
if isNew then redis.call('HSET', KEYS[3], group .. ' ' .. prefix, start == '$' and '0-0' or start) end
return {lastOf(KEYS[2]), found}
`);
