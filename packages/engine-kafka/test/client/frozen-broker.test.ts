import { expect, test } from 'vitest';
import { withTimeout } from '../../src/with-timeout.ts';
import { apiKeys, stubBroker } from '../stub-broker.ts';
import { newName, startEngine } from '../support.ts';

/** Less than a broker may take for an answer before its connection is replaced. */
const soonMs = 15_000;
/** By murmur2, this key goes to the first of two partitions. */
const healthyKey = '21';

/** Two brokers, of which the first leads all partitions. The second does not answer once it is frozen. */
async function cluster() {
  let isFrozen = false;
  const topics = new Map<string, number[]>();
  const ports = new Map<number, number>();
  const answers = {
    topics: () => topics,
    cluster: () => ports,
    isFrozen: (port: number) => isFrozen && port === ports.get(2),
  };
  const [first, second] = [await stubBroker(answers), await stubBroker(answers)];
  ports.set(1, first.port).set(2, second.port);
  const newTopic = (...leaders: number[]): string => {
    const topic = newName();
    topics.set(topic, leaders.length === 0 ? [1] : leaders);
    return topic;
  };
  return { brokers: first.brokers, newTopic, second, freeze: () => void (isFrozen = true) };
}

test('a broker that does not answer holds up no subscription to topics of the others', async () => {
  const { brokers, newTopic, second, freeze } = await cluster();
  const engine = await startEngine({ brokers, metadataRefreshMs: 60_000 });
  // From then on the second broker is asked for metadata, too.
  await engine.subscribe(newTopic(2), () => {});
  freeze();
  const before = second.asked.get(apiKeys.metadata) ?? 0;
  const subscribing = Array.from({ length: 8 }, async () => {
    for (let n = 0; n < 3; n++) await engine.subscribe(newTopic(), () => {});
  });
  await withTimeout(Promise.all(subscribing), soonMs);
  expect(second.asked.get(apiKeys.metadata)).toBeGreaterThan(before);
});

test('nor the first publish of an idempotent producer', async () => {
  const { brokers, newTopic, freeze } = await cluster();
  freeze();
  for (let n = 0; n < 6; n++) {
    const engine = await startEngine({ brokers, idempotent: true, publishTimeoutMs: 60_000 });
    await withTimeout(engine.publish({ topic: newTopic(), payload: n }), soonMs);
    await engine.stop();
  }
});

test('nor an event for another broker in a topic that is new', async () => {
  const { brokers, newTopic, freeze } = await cluster();
  const engine = await startEngine({ brokers, publishTimeoutMs: 60_000 });
  freeze();
  const topic = newTopic(1, 2);
  await withTimeout(engine.publish({ topic, payload: 1, key: healthyKey }), soonMs);
});

test('nor the lag in the partitions of the others', async () => {
  const { brokers, newTopic, freeze } = await cluster();
  const engine = await startEngine({ brokers });
  const topic = newTopic(1, 2);
  await engine.subscribe(topic, () => {});
  freeze();
  const lags = await withTimeout(engine.lag!(), soonMs);
  expect(lags).toEqual([
    { topic, partition: '0', events: 0 },
    { topic, partition: '1', events: undefined },
  ]);
});
