import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { adminOf, newName, startEngine, until } from '../support.ts';

describeWithBroker('kafka', 'topics', ({ brokers }) => {
  const list = [...brokers];

  test('a topic is created with the configured partitions and replicas, and an existing topic is used unchanged', async () => {
    const admin = await adminOf(list);
    const [made, found] = [newName(), newName()];
    await admin.createTopics({ topics: [{ topic: found, numPartitions: 2 }], waitForLeaders: true });
    const engine = await startEngine({ brokers: list, numPartitions: 5, replicationFactor: 1 });
    for (const topic of [made, found]) await engine.publish({ topic, payload: 1 });
    const { topics } = await admin.fetchTopicMetadata({ topics: [made, found] });
    const partitions = new Map(topics.map(({ name, partitions }) => [name, partitions.length]));
    expect([partitions.get(made), partitions.get(found)]).toEqual([5, 2]);
    expect(topics.find(({ name }) => name === made)?.partitions[0]?.replicas.length).toBe(1);
  });

  test('topics that many callers publish and subscribe to at the same time are created once', async () => {
    const topic = newName();
    const config = { brokers: list, numPartitions: 2 };
    const first = await startEngine(config);
    const engines = [first, ...(await Promise.all([1, 2, 3].map(() => startEngine(config))))];
    const seen: unknown[] = [];
    await Promise.all([
      ...engines.map((engine, n) => engine.publish({ topic, payload: n })),
      first.subscribe(topic, ({ payload }) => void seen.push(payload), { from: 'earliest' }),
    ]);
    await until('four events', () => seen.length === 4);
    expect(new Set(seen)).toEqual(new Set([0, 1, 2, 3]));
  });

  test('a name that collides with another name in Kafka is refused, and so is a topic with more replicas than brokers', async () => {
    const name = newName();
    const engine = await startEngine({ brokers: list });
    await engine.publish({ topic: `${name}.a`, payload: 1 });
    const refusal = {
      code: 'TOPIC_REFUSED',
      topic: `${name}_a`,
      message: expect.stringContaining(`${name}.a`),
    };
    await expect(engine.publish({ topic: `${name}_a`, payload: 1 })).rejects.toMatchObject(refusal);
    await expect(engine.subscribe(`${name}_a`, () => {})).rejects.toMatchObject(refusal);
    const greedy = await startEngine({ brokers: list, replicationFactor: 3 });
    await expect(greedy.publish({ topic: newName(), payload: 1 })).rejects.toMatchObject({
      code: 'TOPIC_REFUSED',
      message: expect.stringContaining('replicationFactor'),
    });
    await engine.publish({ topic: `${name}.a`, payload: 2 });
  });

  test('partitions that are added while events are published are read from their first event', async () => {
    const [topic, group] = [newName(), newName('g')];
    const admin = await adminOf(list);
    // It looks seldom, so that the new partitions have events before it knows of them.
    const consumer = await startEngine({ brokers: list, numPartitions: 1, metadataRefreshMs: 1500 });
    const [grouped, plain] = [new Map<unknown, number>(), new Map<unknown, number>()];
    const count = (map: Map<unknown, number>, n: unknown): void => void map.set(n, (map.get(n) ?? 0) + 1);
    await consumer.subscribeAsync(topic, ({ payload }) => count(grouped, payload), { group });
    await consumer.subscribe(topic, ({ payload }) => count(plain, payload));
    const publish = async (from: number, to: number): Promise<void> => {
      // Another engine, which sees the new partitions at once, and before the consumer may have.
      const publisher = await startEngine({ brokers: list });
      for (let n = from; n < to; n++) await publisher.publish({ topic, payload: n, key: `key-${n}` });
    };
    await publish(0, 20);
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] });
    await publish(20, 80);
    await until('all in the group', () => grouped.size === 80);
    await until('all without a group', () => plain.size === 80);
    expect([...grouped.values(), ...plain.values()].every((times) => times === 1)).toBe(true);
    const offsets = await admin.fetchTopicOffsets(topic);
    expect(offsets.filter(({ offset }) => Number(offset) > 0).length).toBeGreaterThan(1);
  });

  test('partitions that are added while a group has no members are read from their first event', async () => {
    const [topic, group] = [newName(), newName('g')];
    const admin = await adminOf(list);
    const engine = await startEngine({ brokers: list, numPartitions: 1 });
    const seen = new Set<unknown>();
    const handler = ({ payload }: { payload: unknown }): void => void seen.add(payload);
    await (await engine.subscribe(topic, handler, { group })).cancel();
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] });
    const publisher = await startEngine({ brokers: list });
    for (let n = 0; n < 40; n++) await publisher.publish({ topic, payload: n, key: `key-${n}` });
    await engine.subscribe(topic, handler, { group });
    await until('all events', () => seen.size === 40);
  });

  test('a topic that is deleted during its subscriptions affects no other topic, and is read again after it is created again', async () => {
    const [topic, other, group] = [newName('gone'), newName('stays'), newName('g')];
    const admin = await adminOf(list);
    const engine = await startEngine({ brokers: list, numPartitions: 2 });
    const [grouped, plain] = [new Set<unknown>(), new Set<unknown>()];
    for (const name of [topic, other]) {
      await engine.subscribe(name, ({ payload }) => void grouped.add(payload), { group });
      await engine.subscribe(name, ({ payload }) => void plain.add(payload));
      await engine.publish({ topic: name, payload: `${name} before` });
    }
    const both = (what: string) => until(what, () => grouped.has(what) && plain.has(what));
    await both(`${topic} before`);
    await both(`${other} before`);
    await admin.deleteTopics({ topics: [topic] });
    await engine.publish({ topic: other, payload: 'beside it' });
    await both('beside it');
    // Creates it again.
    await engine.publish({ topic, payload: 'after' });
    await both('after');
    await engine.publish({ topic: other, payload: 'and on' });
    await both('and on');
    expect((await engine.health()).status).toBe('up');
  });
});
