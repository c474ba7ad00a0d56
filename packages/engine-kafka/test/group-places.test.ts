import { expect, test } from 'vitest';
import { HeldReceiver, SimulatedTopic, Simulation, request } from './simulated.ts';

test('what others have committed in partitions that this process has not seen yet stays', async () => {
  const simulation = new Simulation();
  const { topics, places, catalog, group } = simulation;
  topics.set('t', new SimulatedTopic(1));
  await catalog.refresh();
  // It grows, and others read it, while this process looks elsewhere.
  topics.set('t', new SimulatedTopic(4));
  for (let partition = 0; partition < 4; partition++) {
    places.set(`t:${partition}`, { topic: 't', partition, offset: 7, metadata: 'polybus 1' });
  }
  simulation.joins.push(() => simulation.joined(1, { t: [2, 3] }));
  await group.listen(request('t'), new HeldReceiver());
  expect([...places.values()].map(({ offset }) => offset)).toEqual([7, 7, 7, 7]);
});

test('the leader shares out the partitions that any member knows of', async () => {
  const simulation = new Simulation();
  const { topics, catalog, group } = simulation;
  topics.set('t', new SimulatedTopic(1));
  await catalog.refresh();
  await group.listen(request('t'), new HeldReceiver());
  const shares = await simulation.assign!([
    { id: 'a', topics: ['t'], about: '1' },
    { id: 'b', topics: ['other', 't'], about: '2,4' },
  ]);
  expect([...shares.values()].flatMap((share) => share.get('t') ?? []).length).toBe(4);
});
