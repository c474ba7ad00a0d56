import { serverTime } from './lua.ts';

/**
 * An id that no entry comes after. Entries after it have been read, so a read returns nothing. The highest possible id would mean
 * entries that have not been read.
 */
const aboveAll = '18446744073709551614-0';

/**
 * Lua for scripts: a hash beside each stream says for each member of a group when its lease ends, by the server's clock. The idle
 * time that Redis keeps of a consumer is no substitute: it starts again also when others claim entries for that consumer.
 *
 * `enrol` returns 1 if the consumer was not a member. It starts with a read that returns nothing. That read creates the consumer,
 * and a full server lets it pass: it does not refuse the writes of a script that has already written.
 */
export const membership: string = `${serverTime}
local function membersOf(stream, group) return stream .. ':members:' .. group end
local function enrol(stream, group, consumer, leaseMs)
  redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', stream, '${aboveAll}')
  return redis.call('HSET', membersOf(stream, group), consumer, serverTime() + leaseMs)
end
`;
