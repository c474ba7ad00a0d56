import { expect, test } from 'vitest';
import { type Sample, growth, halvesOf } from '../../soak/flat.ts';
import { Sequence } from '../../soak/sequence.ts';

const mib = 2 ** 20;
const samplesOf = (of: (i: number) => Partial<Sample>): Sample[] =>
  Array.from({ length: 50 }, (_, i) => ({
    heap: 40 * mib,
    resources: { Timeout: 3 },
    pending: 0,
    groups: 1,
    ...of(i),
  }));
const grown = (of: (i: number) => Partial<Sample>): string[] => growth(halvesOf(samplesOf(of)), 50);

test('a warm-up, bursts and single timers are not growth', () => {
  const found = grown((i) => ({
    heap: 40 * mib + (i < 8 ? i : 8) * mib + (i % 3) * 10 * mib,
    resources: { Timeout: 3 + (i % 4), TCPSocketWrap: i % 2 },
    pending: i % 5 === 0 ? 5000 : 10,
  }));
  expect(found).toEqual([]);
});

test('whatever rises steadily is named', () => {
  const found = grown((i) => ({
    heap: 40 * mib + (i / 4) * mib,
    resources: { Timeout: 3 + i, TCPSocketWrap: i < 30 ? 4 : 5 },
    pending: i * 100,
    groups: i,
  }));
  expect(found).toEqual([
    'heap from 42.5 to 47.5 MiB',
    'TCPSocketWrap from 4 to 5',
    'Timeout from 32 to 33',
    'pending deliveries from 2900 to 3000',
    'consumer groups from 29 to 30',
  ]);
});

test('a run that is too short to tell is refused', () => {
  expect(() => halvesOf(samplesOf(() => ({})).slice(0, 5))).toThrow('too few');
});

test('a sequence tells repeated events from those that did not come', () => {
  const sequence = new Sequence(2);
  for (const [key, seq] of [
    [0, 0],
    [1, 0],
    [0, 1],
    [0, 1],
    [1, 3],
  ] as const)
    sequence.note(key, seq);
  const { handled, repeated, skipped } = sequence;
  expect({ handled, repeated, skipped }).toEqual({ handled: 4, repeated: 1, skipped: 2 });
});
