import { Script } from '../client/script.ts';
import type { StreamContext } from '../store/stream-context.ts';
import { keyOrder } from './scripts/key-order-lua.ts';
import { membership } from '../store/member-leases-lua.ts';

/**
 * Removes the consumers whose lease has ended, and consumers without a lease that have been idle for the duration of a lease.
 * KEYS stream, owners. ARGV group, milliseconds, topic, prefix of wake-up streams. Returns their names.
 */
const removeDead: Script = new Script(`${membership}${keyOrder}
local group = ARGV[1]
local dead, moved = {}, 0
local function remove(name)
  moved = moved + leave(group, name)
  dead[#dead + 1] = name
end
local now, leases = serverTime(), {}
local all = redis.call('HGETALL', membersOf(stream, group))
for i = 1, #all, 2 do
  leases[all[i]] = true
  if now >= tonumber(all[i + 1]) then remove(all[i]) end
end
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
  local name, idle
  for i = 1, #info, 2 do
    if info[i] == 'name' then name = info[i + 1] end
    if info[i] == 'idle' then idle = info[i + 1] end
  end
  if name ~= LEFT and not leases[name] and idle >= tonumber(ARGV[2]) then remove(name) end
end
if moved > 0 then wakeAll(ARGV[4], ARGV[3], group) end
-- An entry that was deleted by hand is acknowledged without its key, so the count of the key still contains it.
if redis.call('XPENDING', stream, group)[1] == 0 then redis.call('DEL', owners) end
return dead
`);

/** Removes the dead consumers of a group, so that others take over their entries. Returns the names of the consumers. */
export async function removeDeadConsumers(
  { keys, options, run }: StreamContext,
  topic: string,
  group: string,
): Promise<string[]> {
  const args = [group, options.claimIdleMs, topic, keys.wakePrefix];
  const dead = await run((client) =>
    removeDead.run(client, [keys.stream(topic), keys.owners(topic, group)], args),
  );
  return ((dead ?? []) as Buffer[]).map(String);
}
