import type { ShardInfo } from '../client/shard.ts';

/**
 * The shards to read after a shard that is at its end: its children, and their listed ancestors that are not known here. If several
 * reshards follow each other, a shard can open and close between two reads, and its records come before those of its child. A shard that
 * the stream no longer lists is too old to be read.
 */
export function withAncestors(
  children: readonly ShardInfo[],
  listed: ReadonlyMap<string, ShardInfo>,
  isKnown: (shardId: string) => boolean,
): ShardInfo[] {
  const found = new Map<string, ShardInfo>();
  const add = (shard: ShardInfo | undefined): void => {
    if (shard === undefined || isKnown(shard.id) || found.has(shard.id)) return;
    found.set(shard.id, shard);
    for (const parent of shard.parents) add(listed.get(parent));
  };
  for (const child of children) add(child);
  return [...found.values()];
}
