import { patternCovers } from '@polybus/core/engine';
import type { ShardInfo } from '../client/shard.ts';
import { withAncestors } from '../read/lineage.ts';
import type { Position } from '../read/position.ts';
import { recordByName } from './record-by-name.ts';

/** The checkpoints and leases of a group, which its members share: one JSON document in a checkpoint store. */
export interface LeaseTable {
  readonly format: 1;
  /** When the stream was created. Checkpoints in another stream of the same name mean nothing. */
  stream: string;
  members: Record<string, MemberEntry>;
  /** By pattern. */
  leases: Record<string, LeasesByShard>;
}

/** A process that takes part in the group. */
export interface MemberEntry {
  /** Grows as long as the member lives. */
  heartbeat: number;
  /** The patterns of its subscriptions. */
  patterns: string[];
}

export type LeasesByShard = Record<string, LeaseEntry>;

/** The lease of one shard for one pattern, and the group's checkpoint in that shard. */
export interface LeaseEntry {
  /** The end of the contiguous settled prefix. */
  checkpoint: Position;
  /** The settled records after the checkpoint: sequence numbers, with the settled events if the record has several, as in "123:0-4,7". */
  ahead?: string[];
  /** The group skips records that arrived earlier. Milliseconds. */
  notBefore?: number;
  /** The wider pattern that the events of this lease still belong to: the lease begins when the holder of the wider lease gives that up. */
  splitFrom?: string;
  parents?: string[];
  /** The shard is closed, and all of its events are settled. */
  ended?: true;
  /** The member that holds the lease. */
  owner?: string;
  /** A fencing token: it grows with each new owner, and excludes owners with an older token. */
  token: number;
  /** The member that asks the owner for the lease. */
  requestedBy?: string;
}

export function newLeaseTable(stream: string): LeaseTable {
  return { format: 1, stream, members: recordByName(), leases: recordByName() };
}

/** @throws Error if the text does not have the format that this version writes. */
export function parseLeaseTable(text: string): LeaseTable {
  const table = JSON.parse(text) as LeaseTable;
  if (table.format !== 1) throw new Error('the document of the group has an unknown format');
  const leases = Object.entries(table.leases).map(([pattern, byShard]): [string, LeasesByShard] => [
    pattern,
    recordByName(Object.entries(byShard)),
  ]);
  return {
    ...table,
    members: recordByName(Object.entries(table.members)),
    leases: recordByName(leases),
  };
}

/** The longest other pattern of the group that covers this one; undefined if there is none. */
export function coveringPattern(table: LeaseTable, pattern: string): string | undefined {
  return Object.keys(table.leases)
    .filter((other) => other !== pattern && patternCovers(other, pattern))
    .sort((a, b) => b.length - a.length)[0];
}

/** The narrower patterns of the group. */
function narrowerPatterns(table: LeaseTable, pattern: string): string[] {
  return Object.keys(table.leases).filter((other) => other !== pattern && patternCovers(pattern, other));
}

/** The narrower patterns whose events in a shard do not belong to this pattern, although it matches them. */
export function patternsSplitOff(table: LeaseTable, pattern: string, shardId: string): string[] {
  return narrowerPatterns(table, pattern).filter(
    (narrower) => table.leases[narrower]?.[shardId]?.splitFrom === undefined,
  );
}

/** A narrower pattern waits for this lease to be given up. */
export function isToBeSplit(table: LeaseTable, pattern: string, shardId: string): boolean {
  return narrowerPatterns(table, pattern).some(
    (narrower) => table.leases[narrower]?.[shardId]?.splitFrom === pattern,
  );
}

/** Begins the leases that were split from leases that nobody holds: they continue from the same records. */
export function finishSplits(table: LeaseTable): void {
  // A wider pattern, which may itself be split from another one, comes before a narrower one.
  const patterns = Object.keys(table.leases).sort((a, b) => a.length - b.length);
  for (const leases of patterns.map((pattern) => table.leases[pattern]!)) {
    for (const [shardId, lease] of Object.entries(leases)) {
      if (lease.splitFrom === undefined) continue;
      const wider = table.leases[lease.splitFrom]?.[shardId];
      if (wider?.owner !== undefined || wider?.splitFrom !== undefined) continue;
      leases[shardId] = { ...structuredClone(wider ?? { checkpoint: {} }), token: lease.token };
    }
  }
}

/** Removes dead members, and frees their leases. */
export function removeDeadMembers(
  table: LeaseTable,
  isDead: (id: string, member: MemberEntry) => boolean,
): void {
  for (const [id, member] of Object.entries(table.members)) {
    if (isDead(id, member)) delete table.members[id];
  }
  for (const lease of allLeases(table)) {
    if (lease.owner !== undefined && table.members[lease.owner] === undefined) {
      delete lease.owner;
      // The owner cannot give the lease away any more: any member may take it.
      delete lease.requestedBy;
    }
    if (lease.requestedBy !== undefined && table.members[lease.requestedBy] === undefined)
      delete lease.requestedBy;
  }
}

function* allLeases(table: LeaseTable): Generator<LeaseEntry> {
  for (const leases of Object.values(table.leases)) yield* Object.values(leases);
}

/** The maximum of sequence numbers in `ahead` over the table, each of 60 bytes: the document must fit its store (400 KB in DynamoDB). */
const maxAheadInTable = 1500;

/** How many settled records after its checkpoint each lease may list. Records that it does not list are handled again after a crash. */
export function maxAheadPerLease(table: LeaseTable): number {
  let count = 1;
  for (const { ended } of allLeases(table)) if (ended !== true) count++;
  return Math.min(256, Math.floor(maxAheadInTable / count));
}

/** Gives a lease to the member that requested it, or to nobody. Leases that wait to be split from it begin. */
export function giveAway(table: LeaseTable, lease: LeaseEntry): void {
  const { requestedBy } = lease;
  assignLease(lease, undefined);
  finishSplits(table);
  if (requestedBy !== undefined) assignLease(lease, requestedBy);
}

/** Gives the lease to a member with the next token, or to nobody. */
function assignLease(lease: LeaseEntry, owner: string | undefined): void {
  delete lease.requestedBy;
  if (owner === undefined) {
    delete lease.owner;
    return;
  }
  lease.owner = owner;
  lease.token++;
}

/** The shard can be read now: its parents are at their end, or too old to be known. */
function isReadable(leases: Readonly<LeasesByShard>, lease: LeaseEntry): boolean {
  return (
    lease.ended !== true &&
    lease.splitFrom === undefined &&
    (lease.parents ?? []).every((parent) => leases[parent] === undefined || leases[parent].ended === true)
  );
}

/**
 * Takes free leases for a member up to a fair share, and requests one lease from a living member that has at least two more.
 *
 * A member can serve a pattern if it subscribes to that pattern or to a pattern that covers it.
 */
export function claimLeases(table: LeaseTable, id: string): void {
  for (const [pattern, leases] of Object.entries(table.leases)) {
    const able = Object.keys(table.members).filter((member) =>
      table.members[member]!.patterns.some((subscribed) => patternCovers(subscribed, pattern)),
    );
    if (!able.includes(id)) continue;
    const readable = Object.values(leases).filter((lease) => isReadable(leases, lease));
    const share = Math.ceil(readable.length / able.length);
    const counts = new Map<string, number>();
    for (const { owner, requestedBy } of readable) {
      // A requested lease counts for the member that requested it.
      const holder = requestedBy ?? owner;
      if (holder !== undefined) counts.set(holder, (counts.get(holder) ?? 0) + 1);
    }
    let count = counts.get(id) ?? 0;
    for (const lease of readable) {
      if (count >= share) break;
      if (lease.owner !== undefined) continue;
      assignLease(lease, id);
      count++;
    }
    const richer = able.filter((member) => (counts.get(member) ?? 0) - count >= 2);
    richer.sort((a, b) => counts.get(b)! - counts.get(a)!);
    if (richer.length === 0) continue;
    const candidates = readable.filter(
      ({ owner, requestedBy }) => owner === richer[0] && requestedBy === undefined,
    );
    // A random one: a lease whose handler hangs is not given away, and would be requested again and again.
    const chosen = candidates[Math.floor(Math.random() * candidates.length)];
    if (chosen !== undefined) chosen.requestedBy = id;
  }
}

/** The shards that come after a shard. */
export interface Successors {
  readonly next: readonly ShardInfo[];
  /** The shards of the stream, listed after `next` was known. */
  readonly listed: ReadonlyMap<string, ShardInfo>;
  /**
   * The shards that had ended before the list was requested. Those of them that are not in the list are gone; a shard that ended later may
   * be newer than the list.
   */
  readonly endedBefore: readonly string[];
}

/** The shards that are closed and of which all events are settled. */
export function endedShards(leases: Readonly<LeasesByShard> = {}): string[] {
  return Object.keys(leases).filter((shardId) => leases[shardId]!.ended === true);
}

/** Marks a shard as ended, and adds leases for the shards that come after it, to be read from their beginning. */
export function endShard(table: LeaseTable, pattern: string, shardId: string, successors: Successors): void {
  // The events of a lease that waits to be split from this one are settled, too.
  for (const narrower of narrowerPatterns(table, pattern))
    if (table.leases[narrower]?.[shardId]?.splitFrom === pattern)
      endShard(table, narrower, shardId, successors);
  const { next, listed, endedBefore } = successors;
  const leases = table.leases[pattern];
  const lease = leases?.[shardId];
  if (leases === undefined || lease === undefined) return;
  const { token, notBefore } = lease;
  // The entry stays as long as the stream lists the shard.
  leases[shardId] = { checkpoint: {}, token, ended: true };
  for (const { id, parents } of withAncestors(next, listed, (known) => leases[known] !== undefined)) {
    leases[id] = {
      checkpoint: {},
      token: 0,
      ...(parents.length === 0 ? {} : { parents: [...parents] }),
      ...(notBefore === undefined ? {} : { notBefore }),
    };
  }
  // The document must fit its store.
  for (const shard of endedBefore) if (!listed.has(shard)) delete leases[shard];
}
