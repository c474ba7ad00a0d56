import { expect, test } from 'vitest';
import type { CommittedOffset } from '../../src/client/kafka-client.ts';
import type { Entry } from '../../src/group/assigned-partition.ts';
import { GroupPlace } from '../../src/group/assigned-partition.ts';
import { decodeMetadata, maxMetadataLength } from '../../src/group/metadata.ts';
import { newPlace, recordOf } from '../simulated.ts';

const owner = {
  isReading: true,
  handOver: () => false,
  run: () => {},
  onOpen: () => {},
  onLoss: () => {},
};

/** Reads so many records from its position on, and hands them over. */
function read(place: GroupPlace, count: number): Entry[] {
  const records = Array.from({ length: count }, (_, n) => recordOf(place.position + n, 'an event'));
  place.position += count;
  place.take(records);
  return handOver(place);
}

function handOver(place: GroupPlace, limit = Number.POSITIVE_INFINITY): Entry[] {
  const entries: Entry[] = [];
  for (let next = place.first; next !== undefined && entries.length < limit; next = place.first) {
    place.shift();
    entries.push(next);
  }
  return entries;
}

function nextOwner(committed: CommittedOffset): GroupPlace {
  return new GroupPlace(committed, decodeMetadata(committed.offset, committed.metadata)!, owner);
}

const offsetsOf = (entries: readonly Entry[]): number[] => entries.map(({ offset }) => offset);

test('a member gets what the one before had not settled, and no more', () => {
  const place = new GroupPlace(...newPlace, owner);
  const entries = read(place, 20);
  const open = [3, 4, 9, 15];
  for (const entry of entries) if (!open.includes(entry.offset)) place.settle(entry);
  const next = nextOwner(place.toCommit(maxMetadataLength));
  expect(next.position).toBe(3);
  expect(offsetsOf(read(next, 20))).toEqual([3, 4, 9, 15, 20, 21, 22]);
});

test('it goes on over members that have read a part of it, or none', () => {
  let place = new GroupPlace(...newPlace, owner);
  const entries = read(place, 100);
  const open = [10, 40, 41, 70, 99];
  for (const entry of entries) if (!open.includes(entry.offset)) place.settle(entry);
  place = nextOwner(place.toCommit(maxMetadataLength));
  // This one reads nothing; the next reads a part, hands some of it over, and settles a later one.
  place = nextOwner(place.toCommit(maxMetadataLength));
  place.take(Array.from({ length: 50 }, (_, n) => recordOf(10 + n, 'an event')));
  place.position = 60;
  const [, second] = handOver(place, 2);
  place.settle(second!);
  place = nextOwner(place.toCommit(maxMetadataLength));
  expect(offsetsOf(read(place, 100))).toEqual([
    10,
    41,
    70,
    99,
    ...Array.from({ length: 10 }, (_, n) => 100 + n),
  ]);
});

test('a log that ends within what was settled is read on at the first event that is not', () => {
  const place = new GroupPlace(...newPlace, owner);
  const [first, ...others] = read(place, 10);
  for (const entry of others) place.settle(entry);
  const next = nextOwner(place.toCommit(maxMetadataLength));
  const [again] = read(next, 10);
  expect(again!.offset).toBe(first!.offset);
  next.settle(again!);
  expect(next.settledUpTo).toBe(10);
  expect(next.toCommit(maxMetadataLength).metadata).toBe('polybus 1');
});

test('what was given back keeps its attempts, and what runs has not been given back', () => {
  const place = new GroupPlace(...newPlace, owner);
  const [back, running, queued] = read(place, 3);
  back!.begun(2);
  running!.begun(1);
  for (const entry of [back!, queued!]) place.giveBack(entry);
  let next = nextOwner(place.toCommit(maxMetadataLength));
  // One that reads nothing takes them along.
  next = nextOwner(next.toCommit(maxMetadataLength));
  expect(read(next, 3).map(({ attempts }) => attempts)).toEqual([2, 0, 0]);
});

test('attempts at an event that was compacted away are forgotten', () => {
  const place = new GroupPlace(...newPlace, owner);
  const [, gone] = read(place, 2);
  gone!.begun(1);
  place.giveBack(gone!);
  const next = nextOwner(place.toCommit(maxMetadataLength));
  next.take([recordOf(0, 'an event'), recordOf(5, 'an event')]);
  next.position = 6;
  handOver(next);
  const { metadata } = next.toCommit(maxMetadataLength);
  expect(decodeMetadata(0, metadata)?.attempts).toEqual(new Map());
});

test('of thousands of events that are settled behind one that is not, none comes again', () => {
  const place = new GroupPlace(...newPlace, owner);
  const [first] = read(place, 1);
  for (let round = 0; round < 20; round++) for (const entry of read(place, 500)) place.settle(entry);
  expect(place.settledUpTo).toBe(0);
  const next = nextOwner(place.toCommit(maxMetadataLength));
  expect(offsetsOf(read(next, 10_010))).toEqual([0, ...Array.from({ length: 9 }, (_, n) => 10_001 + n)]);
  place.settle(first!);
  expect(place.settledUpTo).toBe(10_001);
});

test('the place in a log that has become another one is not held by what was read of the one before', () => {
  const place = new GroupPlace(...newPlace, owner);
  const [running, settled] = read(place, 100);
  place.settle(settled!);
  place.move(0, false);
  expect(place.toCommit(maxMetadataLength)).toMatchObject({ offset: 0, metadata: 'polybus 1' });
  for (const entry of read(place, 2)) place.settle(entry);
  place.settle(running!);
  expect(place.settledUpTo).toBe(2);
});
