import { patternCovers } from '@polybus/core/engine';
import type { Position } from '../read/cursor.ts';
import { withAncestors } from '../read/lineage.ts';
import { named } from '../options/named.ts';
import type { ShardInfo } from '../client/stream.ts';

/** What the members of a group know of each other: positions and leases. It is one JSON document in a checkpoint store. */
export interface GroupDocument {
  readonly format: 1;
  /** When the stream was created. Positions of another stream of the same name mean nothing. */
  stream: string;
  members: Record<string, Member>;
  /** By pattern, then by shard. */
  places: Record<string, Record<string, Place>>;
}

export interface Member {
  /** It grows while the member lives. */
  beat: number;
  /** What it is subscribed to. */
  patterns: string[];
}

/** The group's place in one shard, for one pattern. */
export interface Place {
  /** Behind the contiguous settled prefix. */
  at: Position;
  /** What is settled beyond it: sequence numbers, and which events of a record of several, as in "123:0-4,7". */
  ahead?: string[];
  /** Records that arrived earlier are passed over. Milliseconds. */
  notBefore?: number;
  /** Events up to here belong to the pattern that this place was split from. */
  after?: string;
  parents?: string[];
  /** The shard is closed, and all of it is settled. */
  ended?: true;
  /** The member that holds the lease. */
  owner?: string;
  /** One more with each new holder: a holder of an older one is fenced off. */
  token: number;
  /** The member that asks the holder for it. */
  wanted?: string;
}

export function newDocument(stream: string): GroupDocument {
  return { format: 1, stream, members: named(), places: named() };
}

/** @throws Error where it is not what this version writes. */
export function parseDocument(text: string): GroupDocument {
  const document = JSON.parse(text) as GroupDocument;
  if (document.format !== 1) throw new Error('the document of the group has an unknown format');
  const places = Object.entries(document.places).map(
    ([pattern, byShard]): [string, Record<string, Place>] => [pattern, named(Object.entries(byShard))],
  );
  return { ...document, members: named(Object.entries(document.members)), places: named(places) };
}

/** The longest pattern of the group that covers this one, and is another; undefined where there is none. */
export function coveringPattern(document: GroupDocument, pattern: string): string | undefined {
  return Object.keys(document.places)
    .filter((other) => other !== pattern && patternCovers(other, pattern))
    .sort((a, b) => b.length - a.length)[0];
}

/** The patterns of the group whose events do not belong to this one, although it matches them. */
export function narrowerPatterns(document: GroupDocument, pattern: string): string[] {
  return Object.keys(document.places).filter((other) => other !== pattern && patternCovers(pattern, other));
}

/** Forgets the members that are dead, and what they held. */
export function bury(document: GroupDocument, isDead: (id: string, member: Member) => boolean): void {
  for (const [id, member] of Object.entries(document.members)) {
    if (isDead(id, member)) delete document.members[id];
  }
  for (const place of allPlaces(document)) {
    if (place.owner !== undefined && document.members[place.owner] === undefined) {
      delete place.owner;
      // Nobody is left to ask: whoever asked takes it, or another does.
      delete place.wanted;
    }
    if (place.wanted !== undefined && document.members[place.wanted] === undefined) delete place.wanted;
  }
}

function* allPlaces(document: GroupDocument): Generator<Place> {
  for (const places of Object.values(document.places)) yield* Object.values(places);
}

/** Sequence numbers in all of a document, each of 60 bytes: it has to fit its store, with 400 KB in DynamoDB. */
const aheadInAll = 1500;

/** How many records beyond its settled prefix each place may note. What is not noted is handled again after a crash. */
export function maxAheadIn(document: GroupDocument): number {
  let count = 1;
  for (const { ended } of allPlaces(document)) if (ended !== true) count++;
  return Math.min(256, Math.floor(aheadInAll / count));
}

/** Whose lease it is; the token grows. */
export function giveTo(place: Place, owner: string | undefined): void {
  delete place.wanted;
  if (owner === undefined) {
    delete place.owner;
    return;
  }
  place.owner = owner;
  place.token++;
}

/** Its parents are at their end, or too old to be known. */
function isDue(places: Readonly<Record<string, Place>>, place: Place): boolean {
  return (
    place.ended !== true &&
    (place.parents ?? []).every((parent) => places[parent] === undefined || places[parent].ended === true)
  );
}

/**
 * Takes leases that nobody holds, up to a fair share, and asks for one where a living member has two more than we.
 *
 * A pattern can be served by the members that are subscribed to it, or to one that covers it.
 */
export function plan(document: GroupDocument, id: string): void {
  for (const [pattern, places] of Object.entries(document.places)) {
    const able = Object.keys(document.members).filter((member) =>
      document.members[member]!.patterns.some((own) => patternCovers(own, pattern)),
    );
    if (!able.includes(id)) continue;
    const due = Object.values(places).filter((place) => isDue(places, place));
    const share = Math.ceil(due.length / able.length);
    const held = new Map<string, number>();
    for (const { owner, wanted } of due) {
      // What was asked for is as good as there.
      const holder = wanted ?? owner;
      if (holder !== undefined) held.set(holder, (held.get(holder) ?? 0) + 1);
    }
    let own = held.get(id) ?? 0;
    for (const place of due) {
      if (own >= share) break;
      if (place.owner !== undefined) continue;
      giveTo(place, id);
      own++;
    }
    const richest = able.filter((member) => (held.get(member) ?? 0) - own >= 2);
    richest.sort((a, b) => held.get(b)! - held.get(a)!);
    if (richest.length === 0) continue;
    const free = due.filter(({ owner, wanted: asker }) => owner === richest[0] && asker === undefined);
    // Any of them: one whose handler hangs is not given, and would be asked for again and again.
    const wanted = free[Math.floor(Math.random() * free.length)];
    if (wanted !== undefined) wanted.wanted = id;
  }
}

/** What is to be read after a shard. */
export interface Successors {
  readonly next: readonly ShardInfo[];
  /** The shards that the stream had when it was asked. */
  readonly listed: ReadonlyMap<string, ShardInfo>;
  /** What was done before it was asked: what is not listed of it is gone, while what is done by now may be newer than the list. */
  readonly done: readonly string[];
}

/** The shards that are at their end, and all of them settled. */
export function doneOf(places: Readonly<Record<string, Place>> = {}): string[] {
  return Object.keys(places).filter((shardId) => places[shardId]!.ended === true);
}

/** Marks a shard as done, and adds those that come after it, to be read from their beginning. */
export function endPlace(
  document: GroupDocument,
  pattern: string,
  shardId: string,
  { next, listed, done }: Successors,
): void {
  const places = document.places[pattern];
  const place = places?.[shardId];
  if (places === undefined || place === undefined) return;
  const { token, notBefore } = place;
  // All that is still to be known of it, for as long as the stream lists it.
  places[shardId] = { at: {}, token, ended: true };
  for (const { id, parents } of withAncestors(next, listed, (known) => places[known] !== undefined)) {
    places[id] = {
      at: {},
      token: 0,
      ...(parents.length === 0 ? {} : { parents: [...parents] }),
      ...(notBefore === undefined ? {} : { notBefore }),
    };
  }
  // The document has to fit its store.
  for (const shard of done) if (!listed.has(shard)) delete places[shard];
}
