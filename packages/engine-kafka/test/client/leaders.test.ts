import { expect, test } from 'vitest';
import { apiKeys, stubBroker } from '../stub-broker.ts';
import { newName, startEngine, until } from '../support.ts';

/** NOT_LEADER_FOR_PARTITION */
const notLeader = 6;

test('a partition without a leader prevents neither a start nor publishing and subscribing to other topics', async () => {
  const [topic, broken] = [newName('whole'), newName('broken')];
  const topics = new Map<string, readonly number[]>([
    [topic, [1, 1]],
    [broken, [1, -1]],
  ]);
  const { brokers } = await stubBroker({ topics: () => topics });
  const engine = await startEngine({ brokers });
  await engine.publish({ topic, payload: 1 });
  await engine.subscribe(topic, () => {});
  await engine.subscribe(`${topic.slice(0, -1)}*`, () => {});
  expect((await engine.health()).status).toBe('up');
});

test('health() names a topic that a pattern cannot read because it never had all its leaders', async () => {
  const broken = newName('broken');
  const { brokers } = await stubBroker({ topics: () => new Map([[broken, [1, -1]]]) });
  const engine = await startEngine({ brokers, stallLimitMs: 100 });
  await engine.subscribe(`${broken.slice(0, -1)}*`, () => {});
  await until('health to say so', async () => {
    const { status, error } = await engine.health();
    return status === 'degraded' && error?.includes(`the topic "${broken}"`) === true;
  });
});

test('if a partition loses its leader, its events wait for a new leader, and events of other partitions are published', async () => {
  const topic = newName();
  let leaders = [1, 1];
  const { brokers } = await stubBroker({
    topics: () => new Map([[topic, leaders]]),
    produce: (_, partition) => (leaders[partition] === -1 ? notLeader : 0),
  });
  const engine = await startEngine({ brokers });
  await engine.publish({ topic, payload: 0, key: '21' });
  leaders = [1, -1];
  // By murmur2 these go to the partitions 0 and 1 of two.
  const outcomes: string[] = [];
  const [led, leaderless] = ['21', 'a-little-bit-longer-string'].map((key) =>
    engine.publish({ topic, payload: 1, key }).then(() => void outcomes.push(key)),
  );
  await led;
  expect(outcomes).toEqual(['21']);
  leaders = [1, 1];
  await leaderless;
  expect(outcomes).toEqual(['21', 'a-little-bit-longer-string']);
});

test('events that are published later go to partitions with a leader while another partition has none', async () => {
  const [topic, other] = [newName(), newName('other')];
  let leaders = [1, 1];
  const { brokers } = await stubBroker({
    topics: () =>
      new Map([
        [topic, leaders],
        [other, [1]],
      ]),
    produce: (_, partition) => (leaders[partition] === -1 ? notLeader : 0),
  });
  const engine = await startEngine({ brokers });
  for (const name of [topic, other]) await engine.publish({ topic: name, payload: 0, key: '21' });
  leaders = [1, -1];
  let isDone = false;
  const leaderless = engine
    .publish({ topic, payload: 1, key: 'a-little-bit-longer-string' })
    .then(() => (isDone = true));
  await new Promise((resolve) => setImmediate(resolve));
  for (const n of [1, 2, 3]) await engine.publish({ topic: other, payload: n });
  expect(isDone).toBe(false);
  leaders = [1, 1];
  await leaderless;
});

test('if the broker rejects a part of a request temporarily, only that part is sent again', async () => {
  const topics = [newName('a'), newName('b'), newName('c')];
  const sent: string[] = [];
  let isRefusing = false;
  const { brokers, asked } = await stubBroker({
    topics: () => new Map(topics.map((topic) => [topic, [1]])),
    produce: (topic) => {
      sent.push(topic);
      return isRefusing && topic === topics[1] ? notLeader : 0;
    },
  });
  const engine = await startEngine({ brokers });
  // Events of known topics are sent in one request.
  for (const topic of topics) await engine.publish({ topic, payload: 0 });
  sent.length = 0;
  const before = asked.get(apiKeys.produce) ?? 0;
  isRefusing = true;
  const publishing = Promise.all(topics.map((topic) => engine.publish({ topic, payload: 1 })));
  await until('a second attempt', () => (asked.get(apiKeys.produce) ?? 0) >= before + 2);
  isRefusing = false;
  await publishing;
  expect(sent.filter((topic) => topic !== topics[1])).toEqual([topics[0], topics[2]]);
});

test('a broker that does not know its cluster yet has not deleted any topics, which would be read again from their beginning', async () => {
  const topic = newName();
  let isNew = false;
  const ports = new Map<number, number>();
  const stub = await stubBroker({
    topics: () => new Map(isNew ? [] : [[topic, [1]]]),
    cluster: () => (isNew ? new Map() : ports),
  });
  ports.set(1, stub.port);
  const engine = await startEngine({ brokers: stub.brokers, metadataRefreshMs: 20 });
  await engine.subscribe(topic, () => {});
  const asked = (apiKey: number): number => stub.asked.get(apiKey) ?? 0;
  const lookups = asked(apiKeys.listOffsets);
  isNew = true;
  const before = asked(apiKeys.metadata);
  await until('some answers', () => asked(apiKeys.metadata) >= before + 5);
  isNew = false;
  const after = asked(apiKeys.metadata);
  await until('some more', () => asked(apiKeys.metadata) >= after + 5);
  expect((await engine.health()).status).toBe('up');
  expect(asked(apiKeys.listOffsets)).toBe(lookups);
});
