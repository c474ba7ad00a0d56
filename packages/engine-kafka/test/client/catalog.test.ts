import { expect, onTestFinished, test } from 'vitest';
import { KafkaFailure } from '../../src/client/failure.ts';
import { resolveOptions } from '../../src/options/options.ts';
import { TopicCatalog } from '../../src/client/topic-catalog.ts';
import { FakeCluster } from '../fake-cluster.ts';
import { LogLines } from '../support.ts';

function makeCatalog() {
  const cluster = new FakeCluster();
  const closing = new AbortController();
  onTestFinished(() => closing.abort(new Error('the test is over')));
  const { topics } = resolveOptions({}, 'test');
  const catalog = new TopicCatalog(cluster.client, topics, new LogLines(), 'test', closing.signal);
  return { cluster, catalog };
}

const one = new Map([['t', [1, 1]]]);

test('a topic that is missing from one answer of the cluster still exists; a topic missing from two answers is deleted', async () => {
  const { cluster, catalog } = makeCatalog();
  const counts: number[] = [];
  for (const topics of [one, new Map(), one, new Map(), new Map()]) {
    cluster.topics = topics;
    await catalog.refresh();
    counts.push(catalog.partitionsOf('t'));
  }
  expect(counts).toEqual([2, 2, 2, 2, 0]);
});

test('a topic that loses a leader stays known; a topic that never had all its leaders is not ready', async () => {
  const { cluster, catalog } = makeCatalog();
  cluster.topics = one;
  await catalog.refresh();
  const heard: boolean[] = [];
  catalog.watch(() => heard.push(catalog.has('t')));
  cluster.topics = new Map([
    ['t', [1, -1]],
    ['new', [1, -1]],
  ]);
  await catalog.refresh();
  expect([catalog.has('t'), catalog.has('new'), catalog.leaderOf('t', 1)]).toEqual([true, false, undefined]);
});

test('waiting for a new topic rejects at the timeout if its leaders do not know it', async () => {
  const { cluster, catalog } = makeCatalog();
  cluster.topics = one;
  Object.assign(cluster.client, {
    offsets: () => Promise.reject(new KafkaFailure('unknown-topic', 'no such topic', undefined)),
  });
  const now = Date.now.bind(Date);
  let ahead = 0;
  Date.now = () => now() + (ahead += 1000);
  onTestFinished(() => void (Date.now = now));
  await expect(catalog.ensure('t')).rejects.toMatchObject({ code: 'TOPIC_REFUSED', topic: 't' });
});
