import type { ShardInfo } from '../client/stream.ts';

/**
 * The shards that are to be read after one that is at its end: its children, and what the stream has of their ancestors that nobody here
 * knows. Where reshards chain, a shard may be born and closed between two reads, and its records come before those of its child. One that
 * the stream does not list any more is too old to be read.
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
