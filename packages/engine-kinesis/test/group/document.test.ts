import { expect, test } from 'vitest';
import { type GroupDocument, bury, newDocument, plan } from '../../src/group/document.ts';

function documentOf(owners: Record<string, { owner: string; wanted?: string }>): GroupDocument {
  const document = newDocument('stream');
  document.members = { dead: { beat: 1, patterns: ['*'] }, alive: { beat: 1, patterns: ['*'] } };
  document.places['*'] = Object.fromEntries(
    Object.entries(owners).map(([shard, place]) => [shard, { at: {}, token: 1, ...place }]),
  );
  return document;
}

const ownersOf = (document: GroupDocument): (string | undefined)[] =>
  Object.values(document.places['*'] ?? {}).map(({ owner }) => owner);

// In either order: what was asked for comes before what was not, or after it.
test.each([
  ['first', ['alive', 'alive', undefined, undefined]],
  ['last', [undefined, undefined, 'alive', 'alive']],
])('takes every lease of a dead member, those too that it had been asked for (%s)', (_, wanted) => {
  const document = documentOf(
    Object.fromEntries(
      wanted.map((asker, i) => [
        `s${i}`,
        { owner: 'dead', ...(asker === undefined ? {} : { wanted: asker }) },
      ]),
    ),
  );
  for (let round = 0; round < 3; round++) {
    bury(document, (id) => id === 'dead');
    plan(document, 'alive');
  }
  expect(ownersOf(document)).toEqual(['alive', 'alive', 'alive', 'alive']);
});

test('asks a member that holds two more than it for one of them, once', () => {
  const document = documentOf({ s0: { owner: 'dead' }, s1: { owner: 'dead' } });
  plan(document, 'alive');
  plan(document, 'alive');
  expect(ownersOf(document)).toEqual(['dead', 'dead']);
  expect(Object.values(document.places['*'] ?? {}).filter(({ wanted }) => wanted === 'alive')).toHaveLength(
    1,
  );
});
