import type { ListenRequest } from '@polybus/core/engine';
import type { LeaseTable, LeasesByShard, LeaseEntry } from './lease-table.ts';
import { recordByName } from './record-by-name.ts';
import type { ShardReaders } from '../read/shard-readers.ts';

/** The leases of a new group, with checkpoints where its first subscription starts. */
export async function firstLeases({ from }: ListenRequest, readers: ShardReaders): Promise<LeasesByShard> {
  if (from === 'latest') {
    const open = (await readers.shards()).filter(({ isClosed }) => !isClosed);
    const leases = open.map(async ({ id }): Promise<[string, LeaseEntry]> => {
      const { iterator, serverTime } = await readers.endOf(id);
      return [id, { checkpoint: { iterator, since: serverTime }, token: 0 }];
    });
    return recordByName(await Promise.all(leases));
  }
  return allLeases(from, readers);
}

/** The leases of all shards, with checkpoints at their first record or at a time. */
export async function allLeases(from: 'earliest' | Date, readers: ShardReaders): Promise<LeasesByShard> {
  const shards = await readers.shards();
  const notBefore = from === 'earliest' ? undefined : from.getTime();
  const entries = shards.map(({ id, parents }): [string, LeaseEntry] => [
    id,
    {
      checkpoint: notBefore === undefined ? {} : { since: notBefore },
      token: 0,
      ...(parents.length === 0 ? {} : { parents: [...parents] }),
      ...(notBefore === undefined ? {} : { notBefore }),
    },
  ]);
  return recordByName(entries);
}

/**
 * The leases of a pattern whose events the group has handled under a wider pattern so far. They begin when the holders of the wider leases
 * have settled or given back what they took, so that no event is handled twice or out of order.
 */
export function splitLeases(table: LeaseTable, wider: string): LeasesByShard {
  const leases: LeasesByShard = recordByName();
  for (const [shardId, { parents, notBefore }] of Object.entries(table.leases[wider] ?? {})) {
    leases[shardId] = {
      checkpoint: {},
      token: 0,
      splitFrom: wider,
      ...(parents === undefined ? {} : { parents }),
      ...(notBefore === undefined ? {} : { notBefore }),
    };
  }
  return leases;
}
