import { expect, test } from 'vitest';
import {
  type PartitionState,
  decodeMetadata,
  encodeMetadata,
  maxMetadataLength,
} from '../../src/group/metadata.ts';

const offset = 9_007_199_000_000;

function state(given: Partial<PartitionState>): PartitionState {
  return { partitionsBefore: 12, settled: [], attempts: new Map(), ...given };
}

test('the metadata of a committed offset is read as it was written', () => {
  const settled = [
    { from: offset, to: offset + 1 },
    { from: offset + 2, to: offset + 130 },
    { from: offset + 1_000_000, to: offset + 4_000_000_000 },
  ];
  const attempts = new Map([
    [offset + 1, 1],
    [offset + 700_000, 300],
  ]);
  for (const given of [{}, { settled }, { attempts }, { settled, attempts }]) {
    const text = encodeMetadata(offset, state(given), maxMetadataLength);
    expect(text).toMatch(/^polybus 12( 1:9007199000000:[\w-]+)?$/);
    expect(decodeMetadata(offset, text)).toEqual(state(given));
  }
});

test('metadata without settled events and attempts has the format of earlier versions, which is read too', () => {
  expect(encodeMetadata(offset, state({}), maxMetadataLength)).toBe('polybus 12');
  expect(decodeMetadata(offset, 'polybus 12')).toEqual(state({}));
});

test('metadata that belongs to another offset is ignored', () => {
  const text = encodeMetadata(offset, state({ settled: [{ from: offset + 1, to: offset + 9 }] }), 4096);
  expect(decodeMetadata(offset + 3, text)).toEqual(state({}));
});

test('metadata of other programs and truncated metadata are ignored', () => {
  for (const text of ['', 'polybus', 'polybus x', 'polybus -1', 'another 3', '{"a":1}', 'polybus  3', '\0'])
    expect(decodeMetadata(offset, text)).toBeUndefined();
  const bytes = (...numbers: number[]): string => Buffer.from(numbers).toString('base64url');
  const data = [
    '',
    'x',
    '%%%',
    bytes(2),
    bytes(2, 1),
    bytes(1, 5, 5, 5),
    bytes(2, 1, 1, 4),
    bytes(2, 1, 200),
  ];
  for (const one of [...data, bytes(2, ...Array<number>(12).fill(255), 1, 1)])
    expect(decodeMetadata(7, `polybus 12 1:7:${one}`)).toEqual(state({}));
  for (const text of ['polybus 12 2:7:AgEB', 'polybus 12 1:7', 'polybus 12 7', 'polybus 12 1:07:AgEB'])
    expect(decodeMetadata(7, text)).toEqual(state({}));
});

test('metadata that does not fit is truncated at its end, and the rest is read', () => {
  const settled = Array.from({ length: 5000 }, (_, n) => ({
    from: offset + 2 * n + 1,
    to: offset + 2 * n + 2,
  }));
  const attempts = new Map(settled.map(({ to }) => [to, 3]));
  let fewer = settled.length;
  for (const maxLength of [4096, 2048, 200, 40, 32, 12, 0]) {
    const text = encodeMetadata(offset, state({ settled, attempts }), maxLength);
    expect(text.length).toBeLessThanOrEqual(Math.max(maxLength, 'polybus 12'.length));
    const read = decodeMetadata(offset, text)!;
    expect(read.settled).toEqual(settled.slice(0, read.settled.length));
    expect(read.settled.length).toBeLessThan(fewer);
    fewer = Math.max(1, read.settled.length);
  }
  const byDefault = decodeMetadata(offset, encodeMetadata(offset, state({ settled }), maxMetadataLength))!;
  expect(byDefault.settled.length).toBeGreaterThan(1500);
  // Settled ranges are written first, attempts into the remaining room.
  const both = encodeMetadata(offset, state({ settled: settled.slice(0, 100), attempts }), 4096);
  expect(decodeMetadata(offset, both)!.settled.length).toBe(100);
  expect(decodeMetadata(offset, both)!.attempts.size).toBeGreaterThan(1000);
});
