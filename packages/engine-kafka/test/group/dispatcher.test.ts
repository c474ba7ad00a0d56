import { expect, test } from 'vitest';
import type { FetchedRecord } from '../../src/client/fetched-record.ts';
import { GroupDispatcher } from '../../src/group/dispatcher.ts';
import { AssignedPartition } from '../../src/group/assigned-partition.ts';
import { HeldReceiver, firstOffset, recordOf, request } from '../simulated.ts';
import { until } from '../support.ts';

/** A partition of "t". By default each event goes to each subscription of the process. */
function partition(isShared = false): {
  assigned: AssignedPartition;
  dispatch: GroupDispatcher;
  take: () => void;
} {
  const dispatch: GroupDispatcher = new GroupDispatcher(isShared, {
    isPaused: () => false,
    mayBegin: () => true,
    onSettled: () => {},
    onReleased: () => {},
    refill: () => assigned.refill(),
  });
  const assigned: AssignedPartition = new AssignedPartition(...firstOffset, {
    isReading: true,
    handOver: (one, limit) => dispatch.handOver(one, limit),
    run: () => {},
    onOpen: () => {},
    onLoss: () => {},
  });
  const take = (): void => {
    assigned.take([recordOf(assigned.position, 'an event')]);
    assigned.refill();
    assigned.position++;
  };
  return { assigned, dispatch, take };
}

test('an event that one subscription still handles is not settled when another subscription releases it and leaves', async () => {
  const { assigned, dispatch, take } = partition();
  const [leaving, staying] = [new HeldReceiver(), new HeldReceiver()];
  const subscriber = dispatch.add(request('t'), leaving);
  dispatch.add(request('t'), staying);
  take();
  leaving.held[0]!.acknowledgement.release();
  dispatch.leave(subscriber);
  await new Promise((resolve) => setImmediate(resolve));
  expect(assigned.settledUpTo).toBe(0);
  staying.held[0]!.acknowledgement.settled();
  expect(assigned.settledUpTo).toBe(1);
});

test('released events wait in the order of their offsets', () => {
  const { assigned, dispatch } = partition();
  const receiver = new HeldReceiver();
  dispatch.add(request('t'), receiver);
  assigned.take(Array.from({ length: 50 }, (_, offset) => recordOf(offset, 'an event')));
  assigned.refill();
  receiver.capacity = 0;
  for (const n of [30, 10, 49, 0, 20]) receiver.held[n]!.acknowledgement.release();
  const order: number[] = [];
  for (let entry = assigned.first; entry !== undefined; entry = assigned.first) {
    order.push(entry.offset);
    assigned.shift();
  }
  expect(order).toEqual([0, 10, 20, 30, 49]);
});

test('an event that the first subscription settles synchronously is not settled before the others settle it', () => {
  const { assigned, dispatch, take } = partition();
  const [first, second] = [new HeldReceiver(), new HeldReceiver()];
  first.enqueue = (_, acknowledgement) => acknowledgement.settled();
  first.undecodable = (_, acknowledgement) => acknowledgement.settled();
  for (const receiver of [first, second]) dispatch.add(request('t'), receiver);
  take();
  expect(assigned.settledUpTo).toBe(0);
  second.held[0]!.acknowledgement.settled();
  expect(assigned.settledUpTo).toBe(1);
});

test('the number of events that wait for a leaving subscription is limited, and they continue in order after it has left', async () => {
  const { assigned, dispatch } = partition(true);
  const [leaving, staying] = [new HeldReceiver(), new HeldReceiver()];
  staying.capacity = Number.POSITIVE_INFINITY;
  const subscriber = dispatch.add(request('t'), leaving);
  const ofKey = (offset: number): FetchedRecord => ({
    ...recordOf(offset, `${offset}`),
    key: Buffer.from('a'),
  });
  assigned.take([ofKey(0)]);
  assigned.refill();
  dispatch.leave(subscriber);
  dispatch.add(request('t'), staying);
  let offset = 1;
  for (; assigned.isOpen && offset < 10_000; offset++) {
    assigned.take([ofKey(offset)]);
    assigned.refill();
  }
  expect(offset).toBeLessThan(2000);
  leaving.held[0]!.acknowledgement.settled();
  await until('the others', () => staying.held.length === offset - 1);
  expect(staying.held.map(({ event }) => event.payload)).toEqual(
    Array.from({ length: offset - 1 }, (_, n) => n + 1),
  );
});
