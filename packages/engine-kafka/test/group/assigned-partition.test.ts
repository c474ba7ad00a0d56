import { expect, test } from 'vitest';
import type { CommittedOffset } from '../../src/client/kafka-client.ts';
import type { Entry } from '../../src/group/entry.ts';
import { AssignedPartition } from '../../src/group/assigned-partition.ts';
import { decodeMetadata, maxMetadataLength } from '../../src/group/metadata.ts';
import { firstOffset, recordOf } from '../simulated.ts';

const owner = {
  isReading: true,
  handOver: () => false,
  run: () => {},
  onOpen: () => {},
  onLoss: () => {},
};

/** Reads so many records from its position on, and hands them over. */
function read(assigned: AssignedPartition, count: number): Entry[] {
  const records = Array.from({ length: count }, (_, n) => recordOf(assigned.position + n, 'an event'));
  assigned.position += count;
  assigned.take(records);
  return handOver(assigned);
}

function handOver(assigned: AssignedPartition, limit = Number.POSITIVE_INFINITY): Entry[] {
  const entries: Entry[] = [];
  for (let next = assigned.first; next !== undefined && entries.length < limit; next = assigned.first) {
    assigned.shift();
    entries.push(next);
  }
  return entries;
}

function nextOwner(committed: CommittedOffset): AssignedPartition {
  return new AssignedPartition(committed, decodeMetadata(committed.offset, committed.metadata)!, owner);
}

const offsetsOf = (entries: readonly Entry[]): number[] => entries.map(({ offset }) => offset);

test('the next owner gets exactly the events that the previous owner had not settled', () => {
  const assigned = new AssignedPartition(...firstOffset, owner);
  const entries = read(assigned, 20);
  const open = [3, 4, 9, 15];
  for (const entry of entries) if (!open.includes(entry.offset)) assigned.settle(entry);
  const next = nextOwner(assigned.toCommit(maxMetadataLength));
  expect(next.position).toBe(3);
  expect(offsetsOf(read(next, 20))).toEqual([3, 4, 9, 15, 20, 21, 22]);
});

test('this also holds after owners that have read some of the events, or none', () => {
  let assigned = new AssignedPartition(...firstOffset, owner);
  const entries = read(assigned, 100);
  const open = [10, 40, 41, 70, 99];
  for (const entry of entries) if (!open.includes(entry.offset)) assigned.settle(entry);
  assigned = nextOwner(assigned.toCommit(maxMetadataLength));
  // This owner reads nothing. The next owner reads some events, delivers some of them, and settles a later event.
  assigned = nextOwner(assigned.toCommit(maxMetadataLength));
  assigned.take(Array.from({ length: 50 }, (_, n) => recordOf(10 + n, 'an event')));
  assigned.position = 60;
  const [, second] = handOver(assigned, 2);
  assigned.settle(second!);
  assigned = nextOwner(assigned.toCommit(maxMetadataLength));
  expect(offsetsOf(read(assigned, 100))).toEqual([
    10,
    41,
    70,
    99,
    ...Array.from({ length: 10 }, (_, n) => 100 + n),
  ]);
});

test('if only the first event is not settled, the next owner of the partition reads that event alone', () => {
  const assigned = new AssignedPartition(...firstOffset, owner);
  const [first, ...others] = read(assigned, 10);
  for (const entry of others) assigned.settle(entry);
  const next = nextOwner(assigned.toCommit(maxMetadataLength));
  const [again] = read(next, 10);
  expect(again!.offset).toBe(first!.offset);
  next.settle(again!);
  expect(next.settledUpTo).toBe(10);
  expect(next.toCommit(maxMetadataLength).metadata).toBe('polybus 1');
});

test('released events keep their attempts, and a running event does not count as released', () => {
  const assigned = new AssignedPartition(...firstOffset, owner);
  const [back, running, queued] = read(assigned, 3);
  back!.begun(2);
  running!.begun(1);
  for (const entry of [back!, queued!]) assigned.giveBack(entry);
  let next = nextOwner(assigned.toCommit(maxMetadataLength));
  // An owner that reads nothing passes the attempts on.
  next = nextOwner(next.toCommit(maxMetadataLength));
  expect(read(next, 3).map(({ attempts }) => attempts)).toEqual([2, 0, 0]);
});

test('attempts of an event that was compacted away are removed', () => {
  const assigned = new AssignedPartition(...firstOffset, owner);
  const [, gone] = read(assigned, 2);
  gone!.begun(1);
  assigned.giveBack(gone!);
  const next = nextOwner(assigned.toCommit(maxMetadataLength));
  next.take([recordOf(0, 'an event'), recordOf(5, 'an event')]);
  next.position = 6;
  handOver(next);
  const { metadata } = next.toCommit(maxMetadataLength);
  expect(decodeMetadata(0, metadata)?.attempts).toEqual(new Map());
});

test('none of thousands of settled events behind an unsettled event is delivered again', () => {
  const assigned = new AssignedPartition(...firstOffset, owner);
  const [first] = read(assigned, 1);
  for (let round = 0; round < 20; round++) for (const entry of read(assigned, 500)) assigned.settle(entry);
  expect(assigned.settledUpTo).toBe(0);
  const next = nextOwner(assigned.toCommit(maxMetadataLength));
  expect(offsetsOf(read(next, 10_010))).toEqual([0, ...Array.from({ length: 9 }, (_, n) => 10_001 + n)]);
  assigned.settle(first!);
  expect(assigned.settledUpTo).toBe(10_001);
});

test('events of a deleted topic do not hold back the committed offset of the new topic with its name', () => {
  const assigned = new AssignedPartition(...firstOffset, owner);
  const [running, settled] = read(assigned, 100);
  assigned.settle(settled!);
  assigned.move(0, false);
  expect(assigned.toCommit(maxMetadataLength)).toMatchObject({ offset: 0, metadata: 'polybus 1' });
  for (const entry of read(assigned, 2)) assigned.settle(entry);
  assigned.settle(running!);
  expect(assigned.settledUpTo).toBe(2);
});
