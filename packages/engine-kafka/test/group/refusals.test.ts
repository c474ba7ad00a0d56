import { expect, test } from 'vitest';
import { HeldReceiver, SimulatedTopic, Simulation, failure, request } from '../simulated.ts';
import { until } from '../support.ts';

async function withTopics(...names: string[]): Promise<Simulation> {
  const simulation = new Simulation();
  for (const name of names) simulation.topics.set(name, new SimulatedTopic(1));
  await simulation.catalog.refresh();
  return simulation;
}

const warnings = ({ log }: Simulation, userData: string): string[] =>
  log.warnings.filter((line) => line.includes(userData));

test('a pattern skips a topic that may not be read, and logs it once', async () => {
  const simulation = await withTopics('open', 'closed');
  const { group, refused, topics, asked } = simulation;
  refused.add('closed');
  const receiver = new HeldReceiver();
  await group.listen(request('*'), receiver);
  topics.get('open')!.records.push('one');
  await until('an event of the other', () => receiver.held.length === 1);
  receiver.held[0]!.acknowledgement.settled();
  expect(asked.at(-1)?.topics).toEqual(['open']);
  expect(warnings(simulation, 'closed').length).toBe(1);
  expect(group.trouble).toEqual({ message: 'may not read: closed', isLasting: true });
});

test('subscribing to a topic that may not be read rejects, and other subscriptions of the group continue', async () => {
  const simulation = await withTopics('open', 'closed');
  const { group, refused, topics } = simulation;
  refused.add('closed');
  const receiver = new HeldReceiver();
  await group.listen(request('open'), receiver);
  await expect(group.listen(request('closed'), new HeldReceiver())).rejects.toMatchObject({
    kind: 'refused',
  });
  topics.get('open')!.records.push('one');
  await until('an event of the other', () => receiver.held.length === 1);
  receiver.held[0]!.acknowledgement.settled();
  refused.clear();
  await group.listen(request('closed'), new HeldReceiver());
  expect(group.trouble).toBeUndefined();
});

test('a member that temporarily cannot join reports this until it has joined, and logs no warning', async () => {
  const simulation = await withTopics('t');
  const { group, joins } = simulation;
  const fail = (): never => {
    throw failure('passing');
  };
  joins.push(fail, fail);
  const listening = group.listen(request('t'), new HeldReceiver());
  await until('a failure', () => group.trouble !== undefined);
  expect(group.trouble).toEqual({ message: 'cannot join: passing', isLasting: false });
  await listening;
  expect(warnings(simulation, 'could not join').length).toBe(0);
  expect(group.trouble).toBeUndefined();
});

test('a member that cannot join for a lasting reason logs one warning', async () => {
  const simulation = await withTopics('t');
  const { group, joins } = simulation;
  await group.listen(request('t'), new HeldReceiver());
  const fail = (): never => {
    throw failure('lasting');
  };
  joins.push(fail, fail);
  simulation.beats.push(() => {
    throw failure('rebalance');
  });
  await until('the failures, and a join', () => joins.length === 0 && group.trouble === undefined);
  expect(warnings(simulation, 'could not join').length).toBe(1);
});

test('a topic that Kafka cannot answer for does not keep a group from reading the others, and is read once it can', async () => {
  const simulation = await withTopics('whole', 'broken');
  const { group, client, topics } = simulation;
  const ask = client.offsets.bind(client);
  let isBroken = true;
  client.offsets = (partitions, at) => {
    if (isBroken && partitions.has('broken')) return Promise.reject(failure('passing'));
    return ask(partitions, at);
  };
  const [one, other] = [new HeldReceiver(), new HeldReceiver()];
  await group.listen(request('whole'), one);
  const listening = group.listen(request('broken'), other);
  await until('the failure', () => group.trouble !== undefined);
  expect(group.trouble).toEqual({ message: 'cannot begin to read "broken": passing', isLasting: false });
  topics.get('whole')!.records.push('one');
  await until('an event of the other', () => one.held.length === 1);
  one.held[0]!.acknowledgement.settled();
  isBroken = false;
  await listening;
  expect(group.trouble).toBeUndefined();
  topics.get('broken')!.records.push('two');
  await until('an event of the topic that was broken', () => other.held.length === 1);
  other.held[0]!.acknowledgement.settled();
});

test('a broker that does not answer for one topic does not keep a group from reading the others', async () => {
  const simulation = await withTopics('whole', 'silent');
  const { group, client, topics } = simulation;
  const ask = client.offsets.bind(client);
  client.offsets = (partitions, at) =>
    partitions.has('silent') ? new Promise(() => {}) : ask(partitions, at);
  const receiver = new HeldReceiver();
  void group.listen(request('silent'), new HeldReceiver()).catch(() => {});
  await group.listen(request('whole'), receiver);
  topics.get('whole')!.records.push('one');
  await until('an event', () => receiver.held.length === 1);
  receiver.held[0]!.acknowledgement.settled();
});
