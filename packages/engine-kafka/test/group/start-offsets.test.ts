import { expect, test } from 'vitest';
import { KafkaFailure } from '../../src/client/failure.ts';
import { HeldReceiver, SimulatedTopic, Simulation, request } from '../simulated.ts';

/** A group whose member has committed its start offsets; the test answers whether all members have. */
async function pinned(onLook: () => void): Promise<Simulation> {
  const simulation = new Simulation();
  simulation.topics.set('t', new SimulatedTopic(1));
  await simulation.catalog.refresh();
  const ask = simulation.committed.bind(simulation);
  let asked = 0;
  simulation.committed = async (partitions) => {
    if (asked++ > 0) onLook();
    return ask(partitions);
  };
  return simulation;
}

test('a group subscription asks for its start offset again after a temporary failure', async () => {
  let looks = 0;
  const { group } = await pinned(() => {
    if (++looks <= 2) throw new KafkaFailure('passing', 'the connection is gone', undefined);
  });
  await group.listen(request('t'), new HeldReceiver());
  expect(looks).toBe(3);
});

test('a group subscription rejects if it may not read its start offset', async () => {
  const { group } = await pinned(() => {
    throw new KafkaFailure('refused', 'not authorized', undefined);
  });
  await expect(group.listen(request('t'), new HeldReceiver())).rejects.toThrow('not authorized');
});
