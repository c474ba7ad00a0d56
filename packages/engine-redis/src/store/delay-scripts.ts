import { Script } from '../client/script.ts';
import { creation } from './topic-scripts.ts';

/** The digits that order delayed events of the same time: a sorted set orders members of the same score by their bytes. */
const orderDigits = 16;

/**
 * Stores a delayed event. A delay in milliseconds counts by the server's clock, so that the clocks of processes may differ.
 *
 * KEYS delayed, count. ARGV the delay in milliseconds or '', else the time in milliseconds since the epoch, topic, then the entry's fields
 * and values. Returns in how many milliseconds it is due.
 */
export const addDelayed: Script = new Script(`
local time = redis.call('TIME')
-- Rounded up, because the event must not be early.
local now = time[1] * 1000 + math.ceil(time[2] / 1000)
local due = ARGV[1] == '' and tonumber(ARGV[2]) or math.ceil(now + ARGV[1])
local order = redis.call('INCR', KEYS[2])
redis.call('ZADD', KEYS[1], string.format('%.0f', due), string.format('%0${orderDigits}.0f', order) .. cmsgpack.pack({unpack(ARGV, 3)}))
return math.max(0, due - now)
`);

/**
 * Adds events that are due to their streams, in the order of their times. Only one process moves an event, because the script also removes
 * it. An event whose stream the server refuses to write, because of its type or of the user's permissions, is moved again later, so that it
 * does not hold back the others.
 *
 * KEYS delayed, topics, news, patterns. ARGV prefix of streams, the maximum number of events, milliseconds until a refused event is
 * moved again.
 * Returns in how many milliseconds the next event is due or -1, how many events are delayed, the topics of those that were moved, the topics
 * of those that were refused, and the reason of the last refusal.
 */
export const moveDue: Script = new Script(`${creation}
local now = serverTime()
local moved, refused, reason = {}, {}, ''
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[2])) do
  local fields = cmsgpack.unpack(string.sub(member, ${orderDigits + 1}))
  local topic = table.remove(fields, 1)
  local stream = ARGV[1] .. topic
  local isMoved, failure = pcall(function()
    announce(KEYS[2], KEYS[3], KEYS[4], stream, topic)
    redis.call('XADD', stream, '*', unpack(fields))
  end)
  if isMoved then
    redis.call('ZREM', KEYS[1], member)
    moved[#moved + 1] = topic
  else
    redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[3]), member)
    refused[#refused + 1] = topic
    reason = type(failure) == 'table' and failure.err or tostring(failure)
  end
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local dueIn = first[2] and math.max(0, tonumber(first[2]) - now) or -1
return {dueIn, redis.call('ZCARD', KEYS[1]), moved, refused, reason}
`);
