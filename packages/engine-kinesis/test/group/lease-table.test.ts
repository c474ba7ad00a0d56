import { expect, test } from 'vitest';
import {
  type LeaseTable,
  removeDeadMembers,
  newLeaseTable,
  claimLeases,
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
