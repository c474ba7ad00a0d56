import type { ListenRequest } from '@polybus/core/engine';
import type { LeasesByShard, LeaseEntry } from './lease-table.ts';
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
 * The leases of a pattern whose events the group has handled under a wider pattern so far. They continue from the leases of that one.
 *
 * @param takenOf - The last record of a shard that this process has taken for the wider pattern. Events up to that record stay with it.
 */
export function splitLeases(
  wider: LeasesByShard,
  takenOf: (shardId: string) => string | undefined,
): LeasesByShard {
  const leases: LeasesByShard = recordByName();
  for (const [shardId, { checkpoint, parents, notBefore, ended }] of Object.entries(wider)) {
    const after = takenOf(shardId) ?? checkpoint.sequenceNumber;
    leases[shardId] = {
      checkpoint: after === undefined ? checkpoint : { sequenceNumber: after },
      token: 0,
      ...(after === undefined ? {} : { after }),
      ...(parents === undefined ? {} : { parents }),
      ...(notBefore === undefined ? {} : { notBefore }),
      ...(ended === undefined ? {} : { ended }),
    };
  }
  return leases;
}
