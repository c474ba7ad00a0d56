import { serverTime } from './lua.ts';

/**
 * An id above the id of every entry. A read from an id returns the consumer's pending entries after it, so a read from this id returns no
 * entry. The highest possible id has another meaning: Redis takes it for `>`, which reads new entries.
 */
const aboveAll = '18446744073709551614-0';

/**
 * Lua for scripts: a hash for each group of a stream contains the time at which the lease of each member ends, by the server's clock. The
 * idle time of a consumer in Redis cannot replace it, because it also restarts when other consumers claim entries for that consumer.
 *
 * `enrol` returns 1 if the consumer was not a member. It starts with a read that returns no entry. This read creates the consumer. A full
 * server accepts the read, and does not refuse the later writes of a script that has already written.
 */
export const membership: string = `${serverTime}
local function membersOf(stream, group) return stream .. ':members:' .. group end
local function enrol(stream, group, consumer, leaseMs)
  redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', stream, '${aboveAll}')
  return redis.call('HSET', membersOf(stream, group), consumer, serverTime() + leaseMs)
end
`;
