import { expect, test } from 'vitest';
import { HeldReceiver, SimulatedTopic, Simulation, failure, request } from '../simulated.ts';
import { until } from '../support.ts';

test('offsets that other members committed in partitions that this process does not know yet are kept', async () => {
  const simulation = new Simulation();
  const { topics, committedOffsets, catalog, group } = simulation;
  topics.set('t', new SimulatedTopic(1));
  await catalog.refresh();
  // The topic grows, and other members read it, before this process knows of the new partitions.
  topics.set('t', new SimulatedTopic(4));
  for (let partition = 0; partition < 4; partition++) {
    committedOffsets.set(`t:${partition}`, { topic: 't', partition, offset: 7, metadata: 'polybus 1' });
  }
  simulation.joins.push(() => simulation.joined(1, { t: [2, 3] }));
  await group.listen(request('t'), new HeldReceiver());
  expect([...committedOffsets.values()].map(({ offset }) => offset)).toEqual([7, 7, 7, 7]);
});

test('the leader assigns every partition that any member knows', async () => {
  const simulation = new Simulation();
  const { topics, catalog, group } = simulation;
  topics.set('t', new SimulatedTopic(1));
  await catalog.refresh();
  await group.listen(request('t'), new HeldReceiver());
  const shares = await simulation.assign!([
    { id: 'a', topics: ['t'], userData: '1' },
    { id: 'b', topics: ['other', 't'], userData: '2,4' },
  ]);
  expect([...shares.values()].flatMap((share) => share.get('t') ?? []).length).toBe(4);
});

test('a topic that is created after its pattern subscription is read from its first event', async () => {
  const simulation = new Simulation();
  const { topics, committedOffsets, catalog, group } = simulation;
  await catalog.refresh();
  await group.listen(request('*'), new HeldReceiver());
  const topic = new SimulatedTopic(1);
  topic.ends[0] = 3;
  topics.set('new', topic);
  await catalog.refresh();
  await until('its place', () => committedOffsets.has('new:0'));
  expect(committedOffsets.get('new:0')?.offset).toBe(0);
});

test('a member that is expelled while it waits for handlers continues at the offsets that others have committed', async () => {
  const simulation = new Simulation();
  const { committedOffsets, group } = simulation;
  const receiver = await holdEvent(simulation);
  simulation.beats.push(
    () => {
      throw failure('rebalance');
    },
    () => {
      simulation.isFenced = true;
      throw failure('fenced');
    },
  );
  await until('both heartbeats', () => simulation.beats.length === 0);
  committedOffsets.set('t:0', { topic: 't', partition: 0, offset: 50, metadata: 'polybus 1' });
  receiver.held[0]!.acknowledgement.settled();
  await until('another join', () => simulation.asked.length === 2);
  await until('to go on where others were', () => [...group.lag(() => 50)][0]?.events === 0);
});

test('an offset without new events is committed when the member gives up its partition, so that the cluster keeps it', async () => {
  const simulation = new Simulation();
  const { topics, committedOffsets, catalog, group } = simulation;
  topics.set('t', new SimulatedTopic(2));
  await catalog.refresh();
  await group.listen(request('t'), new HeldReceiver());
  // As Kafka does with one whose last commit was long ago, once the group does not read its topic.
  const before = new Map(committedOffsets);
  committedOffsets.clear();
  await group.close();
  expect(committedOffsets).toEqual(before);
});

test('an offset in a deleted topic is not committed, because a new topic of that name may exist', async () => {
  const simulation = new Simulation();
  const { topics, committedOffsets, catalog, group } = simulation;
  for (const name of ['a', 'b']) topics.set(name, new SimulatedTopic(1));
  await catalog.refresh();
  await group.listen(request('*'), new HeldReceiver());
  topics.delete('a');
  committedOffsets.clear();
  await until('the group to join without it', async () => {
    await catalog.refresh();
    return simulation.asked.at(-1)?.topics.join() === 'b';
  });
  await group.close();
  expect([...committedOffsets.keys()]).toEqual(['b:0']);
});

test('a topic that is deleted and created again before the members rejoin is read from its first event', async () => {
  const simulation = new Simulation();
  const { topics, committedOffsets, catalog, group } = simulation;
  for (const name of ['a', 'b']) topics.set(name, new SimulatedTopic(1));
  topics.get('a')!.ends[0] = 1000;
  await catalog.refresh();
  const receiver = new HeldReceiver();
  await group.listen(request('*'), receiver);
  expect(committedOffsets.get('a:0')?.offset).toBe(1000);
  topics.get('b')!.records.push('one');
  await until('an event, whose handler the members wait for', () => receiver.held.length === 1);
  topics.delete('a');
  for (const _ of ['two looks', 'find it gone']) await catalog.refresh();
  // As Kafka does.
  committedOffsets.delete('a:0');
  topics.set('a', new SimulatedTopic(1));
  topics.get('a')!.ends[0] = 2000;
  await catalog.refresh();
  receiver.held[0]!.acknowledgement.settled();
  await until('its place', () => committedOffsets.has('a:0'));
  expect(committedOffsets.get('a:0')?.offset).toBe(0);
});

test('a member commits settled events before a rebalance, although the coordinator fails twice', async () => {
  const simulation = new Simulation(true, { commitIntervalMs: 3_600_000 });
  const { committedOffsets, joins, beats } = simulation;
  const receiver = await holdEvent(simulation);
  receiver.held[0]!.acknowledgement.settled();
  const commit = simulation.commit.bind(simulation);
  let failures = 2;
  simulation.commit = async (offsets) => {
    if (failures-- > 0) throw failure('passing');
    await commit(offsets);
  };
  let atJoin: number | undefined;
  joins.push(() => {
    atJoin = committedOffsets.get('t:0')?.offset;
    return simulation.joined(++simulation.generation, { t: [0] });
  });
  beats.push(() => {
    throw failure('rebalance');
  });
  await until('the join', () => atJoin !== undefined);
  expect(atJoin).toBe(1);
});

/** Joins the group for a topic with one partition. Resolves when the handler has an event, which stays unsettled. */
async function holdEvent({ topics, catalog, group }: Simulation): Promise<HeldReceiver> {
  const topic = new SimulatedTopic(1);
  topics.set('t', topic);
  await catalog.refresh();
  const receiver = new HeldReceiver();
  await group.listen(request('t'), receiver);
  topic.records.push('one');
  await until('an event', () => receiver.held.length === 1);
  return receiver;
}
