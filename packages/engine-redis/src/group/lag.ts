import type { ConsumerLag } from '@polybus/core';
import { Script } from '../client/script.ts';

/**
 * How many entries each group of a stream has not had, and how many it has had and not acknowledged. The server itself knows
 * the first from version 7 on, and not where entries were deleted from the middle: there the entries are counted, up to 10 000 of them.
 *
 * KEYS stream. ARGV groups. Returns groups and numbers in turn; a group that is not there is left out.
 */
export const groupLag: Script = new Script(`
local out = {}
if redis.call('EXISTS', KEYS[1]) == 0 then return out end
local wanted = {}
for _, group in ipairs(ARGV) do wanted[group] = true end
for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local about = {}
  for i = 1, #info, 2 do about[info[i]] = info[i + 1] end
  if wanted[about.name] then
    local waiting = about.lag
    if not waiting then
      waiting = 0
      local from = '(' .. about['last-delivered-id']
      while true do
        local list = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1000)
        waiting = waiting + #list
        if #list < 1000 or waiting >= 10000 then break end
        from = '(' .. list[#list][1]
      end
    end
    out[#out + 1] = about.name
    out[#out + 1] = waiting + about.pending
  end
end
return out
`);

/** Reads the script's answer. */
export function lagOf(topic: string, reply: unknown): ConsumerLag[] {
  const found = reply as readonly (Buffer | number)[];
  const lags: ConsumerLag[] = [];
  for (let i = 0; i + 1 < found.length; i += 2)
    lags.push({ topic, group: String(found[i]), events: Number(found[i + 1]) });
  return lags;
}
