import { Script } from './script.ts';
import { idOrder } from './stream-ids.ts';

/**
 * Groups and topics come to be in scripts, because each has to know of the other: a group that is created after a topic's first
 * events misses what was trimmed meanwhile.
 *
 * Each script has the keys topics, news and patterns; `streams` is what the names of streams begin with.
 */
const places = `${idOrder}
local function lastOf(stream)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  return last[1] and last[1][1] or '0-0'
end
-- A group that is created has settled everything, and nobody in it owns a key: what another of this name left goes.
local function create(stream, group, start)
  local made = redis.pcall('XGROUP', 'CREATE', stream, group, start, 'MKSTREAM')
  if made.ok then redis.call('DEL', stream .. ':owners:' .. group) end
  return made
end
local function join(stream, group, consumer)
  if consumer ~= '' then redis.pcall('XGROUP', 'CREATECONSUMER', stream, group, consumer) end
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
 * KEYS stream, topics, news, patterns. ARGV topic, group, where it begins, consumer or ''.
 */
export const createGroup: Script = new Script(`${places}
local made = create(KEYS[1], ARGV[2], ARGV[3])
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then return made end
announce(KEYS[2], KEYS[3], KEYS[4], KEYS[1], ARGV[1])
join(KEYS[1], ARGV[2], ARGV[4])
`);

/**
 * The topics that begin so, each with the id of its last event, and the place in the news after which new ones come. For a
 * group, it is created where it is not there yet: at the id that is given ('$' for the end), or, where the group has had
 * this pattern before, at the topic's beginning, because nobody of it was there when the topic was new.
 *
 * KEYS topics, news, patterns. ARGV prefix of streams, prefix of topics, group or '', where it begins, consumer or ''.
 */
export const snapshot: Script = new Script(`${places}
local streams, prefix, group, start, consumer = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local first = start == '$' and '0-0' or start
local isNew = group == '' or redis.call('HSETNX', KEYS[3], group .. ' ' .. prefix, first) == 1
local found = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local topic = all[i]
  if matches(prefix, topic) then
    local stream = streams .. topic
    if group ~= '' then
      create(stream, group, isNew and start or all[i + 1])
      join(stream, group, consumer)
    end
    found[#found + 1] = topic
    found[#found + 1] = lastOf(stream)
  end
end
return {lastOf(KEYS[2]), found}
`);
