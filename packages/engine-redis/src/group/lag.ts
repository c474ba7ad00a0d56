import type { ConsumerLag } from '@polybus/core';
import { Script } from '../client/script.ts';
import type { StreamContext } from '../store/stream-context.ts';

/**
 * Counts the entries of a stream that a group has not acknowledged: the entries that it has not read, and its pending entries. From
 * version 7 on, the server knows the first number, unless entries were deleted from the middle. In other cases the script counts the
 * entries, up to 10 000.
 *
 * KEYS stream. ARGV groups. Returns alternating groups and numbers, without groups that do not exist.
 */
const countWaiting: Script = new Script(`
local out = {}
if redis.call('EXISTS', KEYS[1]) == 0 then return out end
local wanted = {}
for _, group in ipairs(ARGV) do wanted[group] = true end
for _, fields in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local info = {}
  for i = 1, #fields, 2 do info[fields[i]] = fields[i + 1] end
  if wanted[info.name] then
    local waiting = info.lag
    if not waiting then
      waiting = 0
      local from = '(' .. info['last-delivered-id']
      while true do
        local list = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1000)
        waiting = waiting + #list
        if #list < 1000 or waiting >= 10000 then break end
        from = '(' .. list[#list][1]
      end
    end
    out[#out + 1] = info.name
    out[#out + 1] = waiting + info.pending
  end
end
return out
`);

/** Returns how many events each of the groups has not acknowledged. */
export async function readLag(
  { keys, run }: StreamContext,
  topic: string,
  groups: Iterable<string>,
): Promise<ConsumerLag[]> {
  const reply = await run((client) => countWaiting.run(client, [keys.stream(topic)], [...groups]));
  const found = reply as readonly (Buffer | number)[];
  const lags: ConsumerLag[] = [];
  for (let i = 0; i + 1 < found.length; i += 2)
    lags.push({ topic, group: String(found[i]), events: Number(found[i + 1]) });
  return lags;
}
