import type { ListenRequest } from '@polybus/core/engine';
import type { Place } from './document.ts';
import { named } from '../options/named.ts';
import type { ShardReaders } from '../read/shard-readers.ts';

type Places = Record<string, Place>;

/** The places of a group that is new, where its first subscription wants to begin. */
export async function firstPlaces({ from }: ListenRequest, readers: ShardReaders): Promise<Places> {
  const shards = await readers.shards();
  if (from === 'latest') {
    const open = shards.filter(({ isClosed }) => !isClosed);
    const pins = open.map(async ({ id }): Promise<[string, Place]> => {
      const { iterator, serverTime } = await readers.pin(id);
      return [id, { at: { iterator, since: serverTime }, token: 0 }];
    });
    return named(await Promise.all(pins));
  }
  const notBefore = from === 'earliest' ? undefined : from.getTime();
  const entries = shards.map(({ id, parents }): [string, Place] => [
    id,
    {
      at: notBefore === undefined ? {} : { since: notBefore },
      token: 0,
      ...(parents.length === 0 ? {} : { parents: [...parents] }),
      ...(notBefore === undefined ? {} : { notBefore }),
    },
  ]);
  return named(entries);
}

/**
 * The places of a pattern that the group has served so far through a wider one: from where that one is.
 *
 * @param takenOf - The last record of a shard that the wider one has taken in here. Up to there its events stay with it.
 */
export function splitPlaces(wider: Places, takenOf: (shardId: string) => string | undefined): Places {
  const places: Places = named();
  for (const [shardId, place] of Object.entries(wider)) {
    const after = takenOf(shardId) ?? place.at.sequenceNumber;
    places[shardId] = {
      at: after === undefined ? place.at : { sequenceNumber: after },
      token: 0,
      ...(after === undefined ? {} : { after }),
      ...(place.parents === undefined ? {} : { parents: place.parents }),
      ...(place.notBefore === undefined ? {} : { notBefore: place.notBefore }),
      ...(place.ended === undefined ? {} : { ended: place.ended }),
    };
  }
  return places;
}
