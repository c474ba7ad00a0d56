import { encodeStructured, structuredContentType } from '@polybus/core/cloudevents';
import { createEvent } from '@polybus/core/engine';
import { expect, test } from 'vitest';
import { type DispatchOwner, GroupDispatcher } from '../../src/group/dispatcher.ts';
import { AssignedPartition } from '../../src/group/assigned-partition.ts';
import { KafkaFailure } from '../../src/client/failure.ts';
import type { FetchedRecord } from '../../src/client/fetched-record.ts';
import { HeldReceiver, SimulatedTopic, Simulation, firstOffset, request } from '../simulated.ts';
import { until } from '../support.ts';

/** Interleavings that a broker shows once in a thousand runs. */

const idle: DispatchOwner = {
  isPaused: () => false,
  mayBegin: () => true,
  onSettled: () => {},
  onReleased: () => {},
  refill: () => {},
};

function record(offset: number): FetchedRecord {
  const text = encodeStructured(createEvent({ topic: 't', payload: offset }), { source: 'test' });
  const headers = { 'content-type': Buffer.from(structuredContentType) };
  return {
    offset,
    timestamp: 0,
    key: null,
    value: Buffer.from(text),
    headers,
    takers: 0,
    decoded: undefined,
  };
}

/** Where each subscription gets all, with a partition that hands over to it. */
function toEach(): { dispatch: GroupDispatcher; assigned: AssignedPartition } {
  const dispatch = new GroupDispatcher(false, idle);
  const assigned = new AssignedPartition(...firstOffset, {
    isReading: true,
    handOver: (one) => dispatch.handOver(one),
    run: () => {},
    onOpen: () => {},
    onLoss: () => {},
  });
  return { dispatch, assigned };
}

test('an event is settled by the subscriptions that got it, even if others subscribe meanwhile', () => {
  const { dispatch, assigned } = toEach();
  const [first, later] = [new HeldReceiver(), new HeldReceiver()];
  dispatch.add(request('t'), first);
  assigned.take([record(0)]);
  assigned.refill();
  assigned.position = 1;
  dispatch.add(request('t'), later);
  first.held[0]!.acknowledgement.settled();
  expect(later.held).toEqual([]);
  expect(assigned.settledUpTo).toBe(1);
});

test('an event that one subscription released and all others settled is settled when that subscription leaves', () => {
  const { dispatch, assigned } = toEach();
  const [leaving, staying] = [new HeldReceiver(), new HeldReceiver()];
  const subscriber = dispatch.add(request('t'), leaving);
  dispatch.add(request('t'), staying);
  assigned.take([record(0)]);
  assigned.refill();
  assigned.position = 1;
  leaving.held[0]!.acknowledgement.release();
  staying.held[0]!.acknowledgement.settled();
  expect(assigned.settledUpTo).toBe(0);
  dispatch.leave(subscriber);
  dispatch.handOver(assigned);
  expect(assigned.settledUpTo).toBe(1);
});

test('a topic that existed when its subscription started is read from the latest event, even if other topics appear while the group forms', async () => {
  const simulation = new Simulation();
  const { topics, catalog, group, committedOffsets } = simulation;
  for (const name of ['a', 'b']) {
    topics.set(name, new SimulatedTopic(1));
    topics.get(name)!.ends[0] = 1000;
  }
  await catalog.refresh();
  let open!: () => void;
  const gate = new Promise<void>((resolve) => (open = resolve));
  simulation.joins.push(async () => {
    await gate;
    return simulation.joined(1, { a: [0] });
  });
  const joining = [group.listen(request('a'), new HeldReceiver())];
  await until('the first join', () => simulation.asked.length === 1);
  joining.push(group.listen(request('b'), new HeldReceiver()));
  topics.set('c', new SimulatedTopic(1));
  await catalog.refresh();
  joining.push(group.listen(request('c'), new HeldReceiver()));
  simulation.generation = 1;
  open();
  await Promise.all(joining);
  expect(committedOffsets.get('a:0')?.offset).toBe(1000);
  expect(committedOffsets.get('b:0')?.offset).toBe(1000);
});

test('a member that missed a generation starts at the offset that others have committed', async () => {
  const simulation = new Simulation();
  const { topics, catalog, group, committedOffsets } = simulation;
  topics.set('t', new SimulatedTopic(1));
  await catalog.refresh();
  await group.listen(request('t'), new HeldReceiver());
  expect(committedOffsets.get('t:0')?.offset).toBe(0);
  // Another member has it in the generation between, and commits.
  simulation.joins.push(() => {
    committedOffsets.set('t:0', { topic: 't', partition: 0, offset: 500, metadata: '' });
    return simulation.joined(simulation.generation + 2, { t: [0] });
  });
  simulation.beats.push(() => {
    throw new KafkaFailure('rebalance', 'join again', undefined);
  });
  await until('the join', () => simulation.joins.length === 0);
  const lag = (): number[] => [...group.lag(() => 1000)].map(({ events }) => events ?? -1);
  await until('its place', () => lag()[0] === 500);
});
