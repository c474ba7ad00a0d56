import { expect, test } from 'vitest';
import type { FetchedRecord } from '../../src/client/fetched-record.ts';
import { GroupDispatch } from '../../src/group/dispatch.ts';
import { GroupPlace } from '../../src/group/assigned-partition.ts';
import { HeldReceiver, newPlace, recordOf, request } from '../simulated.ts';
import { until } from '../support.ts';

/** A partition of "t". By default each event goes to each subscription of the process. */
function partition(isShared = false): { place: GroupPlace; dispatch: GroupDispatch; take: () => void } {
  const dispatch: GroupDispatch = new GroupDispatch(isShared, {
    isPaused: () => false,
    mayBegin: () => true,
    onSettled: () => {},
    onReleased: () => {},
    refill: () => place.refill(),
  });
  const place: GroupPlace = new GroupPlace(...newPlace, {
    isReading: true,
    handOver: (one, limit) => dispatch.handOver(one, limit),
    run: () => {},
    onOpen: () => {},
    onLoss: () => {},
  });
  const take = (): void => {
    place.take([recordOf(place.position, 'an event')]);
    place.refill();
    place.position++;
  };
  return { place, dispatch, take };
}

test('an event that somebody still has is not settled by those who gave it back and left', async () => {
  const { place, dispatch, take } = partition();
  const [leaving, staying] = [new HeldReceiver(), new HeldReceiver()];
  const subscriber = dispatch.add(request('t'), leaving);
  dispatch.add(request('t'), staying);
  take();
  leaving.held[0]!.acknowledgement.release();
  dispatch.leave(subscriber);
  await new Promise((resolve) => setImmediate(resolve));
  expect(place.settledUpTo).toBe(0);
  staying.held[0]!.acknowledgement.settled();
  expect(place.settledUpTo).toBe(1);
});

test('what is given back waits in the order of its offsets', () => {
  const { place, dispatch } = partition();
  const receiver = new HeldReceiver();
  dispatch.add(request('t'), receiver);
  place.take(Array.from({ length: 50 }, (_, offset) => recordOf(offset, 'an event')));
  place.refill();
  receiver.capacity = 0;
  for (const n of [30, 10, 49, 0, 20]) receiver.held[n]!.acknowledgement.release();
  const order: number[] = [];
  for (let entry = place.first; entry !== undefined; entry = place.first) {
    order.push(entry.offset);
    place.shift();
  }
  expect(order).toEqual([0, 10, 20, 30, 49]);
});

test('an event that the first subscription settles at once is not settled before the others have', () => {
  const { place, dispatch, take } = partition();
  const [first, second] = [new HeldReceiver(), new HeldReceiver()];
  first.enqueue = (_, acknowledgement) => acknowledgement.settled();
  first.undecodable = (_, acknowledgement) => acknowledgement.settled();
  for (const receiver of [first, second]) dispatch.add(request('t'), receiver);
  take();
  expect(place.settledUpTo).toBe(0);
  second.held[0]!.acknowledgement.settled();
  expect(place.settledUpTo).toBe(1);
});

test('what waits for a subscription that leaves has an end, and goes on in order once that is through', async () => {
  const { place, dispatch } = partition(true);
  const [leaving, staying] = [new HeldReceiver(), new HeldReceiver()];
  staying.capacity = Number.POSITIVE_INFINITY;
  const subscriber = dispatch.add(request('t'), leaving);
  const ofKey = (offset: number): FetchedRecord => ({
    ...recordOf(offset, `${offset}`),
    key: Buffer.from('a'),
  });
  place.take([ofKey(0)]);
  place.refill();
  dispatch.leave(subscriber);
  dispatch.add(request('t'), staying);
  let offset = 1;
  for (; place.isOpen && offset < 10_000; offset++) {
    place.take([ofKey(offset)]);
    place.refill();
  }
  expect(offset).toBeLessThan(2000);
  leaving.held[0]!.acknowledgement.settled();
  await until('the others', () => staying.held.length === offset - 1);
  expect(staying.held.map(({ event }) => event.payload)).toEqual(
    Array.from({ length: offset - 1 }, (_, n) => n + 1),
  );
});
