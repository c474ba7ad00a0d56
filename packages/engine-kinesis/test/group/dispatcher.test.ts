import { UndecodableRecordError } from '@polybus/core';
import type { Acknowledgement, RawRecord, Receiver } from '@polybus/core/engine';
import { expect, test } from 'vitest';
import { GroupDispatcher } from '../../src/group/dispatcher.ts';
import type { EventLease } from '../../src/group/pattern-queue.ts';

/** A member's receiver, of which only records that are no events are asked. */
class RawReceiver implements Partial<Receiver> {
  capacity = 0;
  onRoom: (() => void) | undefined;
  mayBegin: (() => boolean) | undefined;
  readonly got: [key: string, acknowledgement: Acknowledgement][] = [];
  onGot: (acknowledgement: Acknowledgement) => void = () => {};

  undecodable({ key = '' }: RawRecord, acknowledgement: Acknowledgement): void {
    this.capacity--;
    this.got.push([key, acknowledgement]);
    this.onGot(acknowledgement);
  }

  run(): void {}
}

function setUp(mayBegin: () => boolean) {
  const dispatcher = new GroupDispatcher(() => {}, mayBegin);
  const receiver = new RawReceiver();
  dispatcher.add({ pattern: 'a', receiver: receiver as unknown as Receiver, isLeaving: false });
  const queue = dispatcher.queueOf('a');
  const lease: EventLease = {
    queue,
    isPaused: false,
    isLost: false,
    unsettled: 0,
    returned() {},
    settled() {},
  };
  const offer = (key: string): void => {
    const error = new UndecodableRecordError('it is no event', { topic: 'a' });
    const raw = { topic: 'a', bytes: new Uint8Array(), key, error };
    const record = { sequenceNumber: key, left: 1, isWanted: true, done: undefined };
    dispatcher.offer({ raw }, lease, record, 0);
  };
  const keys = (): string[] => receiver.got.map(([key]) => key);
  return { dispatcher, receiver, offer, keys };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('hands over waiting records only while the leases are confirmed', async () => {
  let isSure = false;
  const { dispatcher, receiver, offer, keys } = setUp(() => isSure);
  for (const key of ['1', '2']) offer(key);
  receiver.capacity = 10;
  receiver.onRoom?.();
  await settle();
  expect(keys()).toEqual([]);
  isSure = true;
  dispatcher.wake();
  await settle();
  expect(keys()).toEqual(['1', '2']);
});

test('keeps the position of a record that a member releases while it is handed over', async () => {
  const { receiver, offer, keys } = setUp(() => true);
  for (const key of ['1', '2', '3']) offer(key);
  receiver.onGot = (acknowledgement) => {
    receiver.onGot = () => {};
    receiver.capacity = 0;
    acknowledgement.release();
  };
  receiver.capacity = 10;
  receiver.onRoom?.();
  await settle();
  receiver.capacity = 10;
  receiver.onRoom?.();
  await settle();
  expect(keys()).toEqual(['1', '1', '2', '3']);
});
