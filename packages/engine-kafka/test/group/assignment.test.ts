import { expect, test } from 'vitest';
import { assignPartitions } from '../../src/group/assignment.ts';

const shares = (members: Record<string, string[]>, partitions: Record<string, number>): unknown =>
  Object.fromEntries(
    [
      ...assignPartitions(
        Object.entries(members).map(([id, topics]) => ({ id, topics, userData: '' })),
        (topic) => partitions[topic] ?? 0,
      ),
    ].map(([id, share]) => [id, Object.fromEntries(share)]),
  );

test('partitions are distributed evenly, over all topics together', () => {
  expect(shares({ a: ['x', 'y'], b: ['x', 'y'] }, { x: 3, y: 1 })).toEqual({
    a: { x: [0, 2] },
    b: { x: [1], y: [0] },
  });
});

test('a member gets only partitions of topics that it subscribes to', () => {
  expect(shares({ a: ['x'], b: ['x', 'y'], c: ['z'] }, { x: 2, y: 2, z: 1 })).toEqual({
    a: { x: [0] },
    b: { x: [1], y: [0, 1] },
    c: { z: [0] },
  });
});

test('every partition has one owner, independent of the order of the members', () => {
  const [some, others] = [
    { a: ['x'], b: ['x'], c: ['x'] },
    { c: ['x'], a: ['x'], b: ['x'] },
  ];
  expect(shares(some, { x: 7 })).toEqual(shares(others, { x: 7 }));
  expect(
    Object.values(shares(some, { x: 7 }) as object)
      .flatMap(({ x }: { x: number[] }) => x)
      .sort((a, b) => a - b),
  ).toEqual([0, 1, 2, 3, 4, 5, 6]);
});
