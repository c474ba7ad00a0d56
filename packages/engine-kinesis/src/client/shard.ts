import type { ChildShard, Shard } from '@aws-sdk/client-kinesis';

/** What reading needs to know about a shard. */
export interface ShardInfo {
  readonly id: string;
  /** The shards that were split or merged into this one. Their records come before its own. */
  readonly parents: readonly string[];
  /** The shard takes no more records. */
  readonly isClosed: boolean;
}

/** A shard of ListShards. */
export function shardInfo(shard: Shard): ShardInfo {
  return {
    id: shard.ShardId ?? '',
    parents: [shard.ParentShardId, shard.AdjacentParentShardId].filter((id) => id !== undefined),
    isClosed: shard.SequenceNumberRange?.EndingSequenceNumber !== undefined,
  };
}

/** A shard that GetRecords names at the end of its parent. */
export function childShardInfo({ ShardId, ParentShards }: ChildShard): ShardInfo {
  return { id: ShardId ?? '', parents: ParentShards ?? [], isClosed: false };
}
