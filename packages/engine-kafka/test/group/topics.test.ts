import { expect, test } from 'vitest';
import type { KafkaClient } from '../../src/client/kafka-client.ts';
import { GroupTopics } from '../../src/group/topics.ts';
import { TopicCatalog } from '../../src/client/topic-catalog.ts';
import { request } from '../simulated.ts';
import { LogLines } from '../support.ts';

/** Returns the topics that a group with one subscription subscribes to, as the leaders of the topics change. */
function watching(pattern: string): (leaders: Record<string, number[]>) => Promise<string> {
  let leaders: Record<string, number[]> = {};
  const client = { topics: async () => new Map(Object.entries(leaders)) } as unknown as KafkaClient;
  const options = { numPartitions: 1, replicationFactor: 1, metadataRefreshMs: 3_600_000 };
  const catalog = new TopicCatalog(client, options, new LogLines(), 'kafka', new AbortController().signal);
  const topics = new GroupTopics(catalog, () => [{ request: request(pattern) }]);
  return async (next) => {
    leaders = next;
    await catalog.refresh();
    return topics.text();
  };
}

test('a partition that has lost its leader does not remove other partitions of its topic from the group', async () => {
  const wanted = watching('t.*');
  expect(await wanted({ 't.a': [1, 2], 't.b': [1] })).toBe('t.a 2,t.b 1');
  expect(await wanted({ 't.a': [1, -1], 't.b': [1] })).toBe('t.a 2,t.b 1');
});

test('a topic is subscribed when each partition has a leader, and so are added partitions', async () => {
  const wanted = watching('t.*');
  expect(await wanted({ 't.a': [-1, -1] })).toBe('');
  expect(await wanted({ 't.a': [1, 2] })).toBe('t.a 2');
  expect(await wanted({ 't.a': [1, 2, -1, -1] })).toBe('t.a 2');
  expect(await wanted({ 't.a': [1, 2, 1, 2] })).toBe('t.a 4');
});

test('a topic that was deleted and created again is subscribed when it has leaders again', async () => {
  const wanted = watching('t.*');
  expect(await wanted({ 't.a': [1, 2] })).toBe('t.a 2');
  await wanted({});
  // One answer may come from a broker that is behind.
  expect(await wanted({})).toBe('');
  expect(await wanted({ 't.a': [-1, 1] })).toBe('');
});
