import { expect, test } from 'vitest';
import { splitLeases } from '../../src/group/first-leases.ts';
import {
  type LeaseTable,
  claimLeases,
  endShard,
  finishSplits,
  newLeaseTable,
  removeDeadMembers,
} from '../../src/group/lease-table.ts';

function tableOf(owners: Record<string, { owner: string; requestedBy?: string }>): LeaseTable {
  const table = newLeaseTable('stream');
  table.members = { dead: { heartbeat: 1, patterns: ['*'] }, alive: { heartbeat: 1, patterns: ['*'] } };
  table.leases['*'] = Object.fromEntries(
    Object.entries(owners).map(([shard, lease]) => [shard, { checkpoint: {}, token: 1, ...lease }]),
  );
  return table;
}

const ownersOf = (table: LeaseTable): (string | undefined)[] =>
  Object.values(table.leases['*'] ?? {}).map(({ owner }) => owner);

// In both orders: requested leases come before or after the other leases.
test.each([
  ['first', ['alive', 'alive', undefined, undefined]],
  ['last', [undefined, undefined, 'alive', 'alive']],
])('takes every lease of a dead member, including leases that it had requested before (%s)', (_, wanted) => {
  const table = tableOf(
    Object.fromEntries(
      wanted.map((asker, i) => [
        `s${i}`,
        { owner: 'dead', ...(asker === undefined ? {} : { requestedBy: asker }) },
      ]),
    ),
  );
  for (let round = 0; round < 3; round++) {
    removeDeadMembers(table, (id) => id === 'dead');
    claimLeases(table, 'alive');
  }
  expect(ownersOf(table)).toEqual(['alive', 'alive', 'alive', 'alive']);
});

test('requests one lease, once, from a member that holds two leases more', () => {
  const table = tableOf({ s0: { owner: 'dead' }, s1: { owner: 'dead' } });
  claimLeases(table, 'alive');
  claimLeases(table, 'alive');
  expect(ownersOf(table)).toEqual(['dead', 'dead']);
  expect(
    Object.values(table.leases['*'] ?? {}).filter(({ requestedBy }) => requestedBy === 'alive'),
  ).toHaveLength(1);
});

/** A table in which a process holds the shard `s0` for the widest of the patterns, and each narrower pattern was split from the one before. */
function splitTable(...[widest, ...narrower]: [string, ...string[]]): LeaseTable {
  const table = newLeaseTable('stream');
  const checkpoint = { sequenceNumber: '10' };
  table.leases[widest] = { s0: { checkpoint, ahead: ['12'], token: 3, owner: 'me' } };
  let wider = widest;
  for (const pattern of narrower) {
    table.leases[pattern] = splitLeases(table, wider);
    wider = pattern;
  }
  finishSplits(table);
  return table;
}

test('leases that are split from each other begin together, when the holder of the widest gives it up', () => {
  const table = splitTable('*', 'a.*', 'a.x');
  table.members = { me: { heartbeat: 1, patterns: ['*'] } };
  claimLeases(table, 'me');
  expect(table.leases['a.*']!['s0']!.owner).toBeUndefined();
  delete table.leases['*']!['s0']!.owner;
  finishSplits(table);
  for (const pattern of ['a.*', 'a.x'])
    expect(table.leases[pattern]!['s0']).toEqual({
      checkpoint: { sequenceNumber: '10' },
      ahead: ['12'],
      token: 0,
    });
});

test('a shard that ends before a lease is split from it ends for both patterns, which both continue with its children', () => {
  const table = splitTable('*', 'a.*', 'a.x');
  const child = { id: 's1', parents: ['s0'], isClosed: false };
  endShard(table, '*', 's0', { next: [child], listed: new Map([['s1', child]]), endedBefore: [] });
  for (const pattern of ['*', 'a.*', 'a.x']) {
    expect(table.leases[pattern]!['s0']).toMatchObject({ ended: true });
    expect(table.leases[pattern]!['s1']).toEqual({ checkpoint: {}, token: 0, parents: ['s0'] });
  }
});
