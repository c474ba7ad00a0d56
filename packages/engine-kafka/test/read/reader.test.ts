import { expect, onTestFinished, test } from 'vitest';
import { KafkaFailure } from '../../src/client/failure.ts';
import type { FetchedRecord } from '../../src/client/fetched-record.ts';
import { resolveOptions } from '../../src/options/options.ts';
import { Suspensions } from '../../src/read/suspensions.ts';
import type { Cursor } from '../../src/read/cursor.ts';
import { Reader } from '../../src/read/reader.ts';
import { TopicCatalog } from '../../src/client/topic-catalog.ts';
import { FakeCluster } from '../fake-cluster.ts';
import { LogLines, until } from '../support.ts';

class TestCursor implements Cursor {
  readonly topic = 't';
  readonly partition: number;
  position: number;
  isOpen = true;
  readonly seen: number[] = [];
  onTake: () => void = () => {};

  constructor(partition: number, position: number) {
    this.partition = partition;
    this.position = position;
  }

  take(records: readonly FetchedRecord[]): void {
    for (const { offset } of records) this.seen.push(offset);
    this.onTake();
  }

  handOver(): boolean {
    return false;
  }

  run(): void {}
  move(): void {}
}

/** A reader of the topic "t" of so many partitions. */
async function makeReader(partitions: number, fetchMaxWaitMs: number) {
  const cluster = new FakeCluster();
  cluster.topics = new Map([['t', Array.from({ length: partitions }, () => 1)]]);
  const closing = new AbortController();
  onTestFinished(() => closing.abort(new Error('the test is over')));
  const { consumer, topics } = resolveOptions({ fetchMaxWaitMs }, 'test');
  const logger = new LogLines();
  const catalog = new TopicCatalog(cluster.client, topics, logger, 'test', closing.signal);
  await catalog.refresh();
  const reader = new Reader(cluster.client, catalog, consumer, logger, closing.signal);
  return { catalog, cluster, logger, reader };
}

test('subscriptions at the end get new events while others replay from their own positions', async () => {
  const { cluster, reader } = await makeReader(1, 5000);
  cluster.append('t', 0, 5000);
  const tip = new TestCursor(0, 5000);
  const replaying = [new TestCursor(0, 0), new TestCursor(0, 2500)];
  for (const place of [...replaying, tip]) reader.add(place);
  await until('the replays to begin', () => replaying.every(({ seen }) => seen.length > 0));
  const had = (): number => replaying.reduce((sum, { seen }) => sum + seen.length, 0);
  let after = Number.POSITIVE_INFINITY;
  const before = had();
  tip.onTake = () => (after = Math.min(after, had()));
  cluster.append('t', 0, 1);
  await until('what is new', () => tip.seen.length === 1);
  expect(after - before).toBeLessThan(100);
  await until('the replays to end', () => replaying.every(({ position }) => position === 5001));
  expect(replaying.map(({ seen }) => seen)).toEqual(
    [0, 2500].map((from) => Array.from({ length: 5001 - from }, (_, n) => from + n)),
  );
});

test('records are handed over in small portions, and each portion starts before the next is handed over', async () => {
  const { cluster, reader } = await makeReader(1, 50);
  const steps: string[] = [];
  class Slow extends TestCursor {
    #left: number[] = [];

    override take(records: readonly FetchedRecord[]): void {
      this.#left.push(...records.map(({ offset }) => offset));
    }

    override handOver(): boolean {
      steps.push(`hand over ${this.#left.splice(0, 4).join()}`);
      return this.#left.length > 0;
    }

    override run(): void {
      steps.push('run');
    }
  }
  cluster.append('t', 0, 10);
  reader.add(new Slow(0, 0));
  await until('the end', () => steps.length >= 6);
  expect(steps.slice(0, 6)).toEqual([
    'hand over 0,1,2,3',
    'run',
    'hand over 4,5,6,7',
    'run',
    'hand over 8,9',
    'run',
  ]);
});

test('partitions at different positions without new records keep no loop busy', async () => {
  const { cluster, reader } = await makeReader(1, 50);
  cluster.append('t', 0, 20);
  // As behind an open transaction: after the last record that the broker returns.
  reader.add(new TestCursor(0, 20));
  reader.add(new TestCursor(0, 30));
  const since = performance.now();
  await until('some time to pass', () => performance.now() - since > 300);
  expect(cluster.requests.length).toBeLessThan(60);
});

test('a subscription without room is read again as soon as it has room, whatever other subscriptions wait for', async () => {
  const { cluster, reader } = await makeReader(2, 10_000);
  const [hot, idle] = [new TestCursor(0, 0), new TestCursor(1, 0)];
  hot.onTake = () => (hot.isOpen = false);
  cluster.append('t', 0, 20);
  reader.add(hot);
  reader.add(idle);
  await until('the first records', () => hot.seen.length === 10);
  await until('the loop to ask for the other', () => cluster.requests.length > 1);
  hot.isOpen = true;
  const since = performance.now();
  reader.wake();
  await until('the others', () => hot.seen.length === 20);
  expect(performance.now() - since).toBeLessThan(2000);
});

test('a partition that fails repeatedly for temporary reasons does not keep others from being read', async () => {
  const { cluster, logger, reader } = await makeReader(3, 20);
  const failure = new KafkaFailure('passing', 'the disk is bad', undefined);
  cluster.failureAt = ({ partition }) => (partition === 1 ? failure : undefined);
  for (let partition = 0; partition < 3; partition++) {
    cluster.append('t', partition, 5);
    reader.add(new TestCursor(partition, 0));
  }
  const late = new TestCursor(2, 0);
  reader.add(late);
  await until('the others', () => late.seen.length === 5);
  cluster.append('t', 2, 5);
  await until('the others to be read on', () => late.seen.length === 10);
  await until('a warning', () => logger.lines.some((line) => line.startsWith('a partition cannot be read')));
  expect(logger.lines.filter((line) => line.startsWith('a partition cannot')).length).toBe(1);
});

test('a partition is read from its new leader, even if that broker led none before and the partition had no leader meanwhile', async () => {
  const { catalog, cluster, reader } = await makeReader(1, 20);
  const place = new TestCursor(0, 0);
  reader.add(place);
  cluster.append('t', 0, 5);
  await until('the first records', () => place.seen.length === 5);
  for (const leader of [-1, 2]) {
    cluster.topics = new Map([['t', [leader]]]);
    await catalog.refresh();
    // Whatever was asked of the broker before has its answer.
    await until('nothing to be asked of a broker', () => cluster.waiting === 0);
  }
  cluster.append('t', 0, 5);
  await until('the others', () => place.seen.length === 10);
});

test('an unreadable partition is reported once, until it can be read', () => {
  const suspensions = new Suspensions();
  const suspend = (isPassing: boolean): boolean => suspensions.suspend('t:1', 'why', isPassing);
  expect([suspend(false), suspend(false)]).toEqual([true, false]);
  expect([suspensions.has('t:1'), suspensions.has('t:2')]).toEqual([true, false]);
  expect([suspensions.isOver('t:1'), suspensions.isOver('t:1')]).toEqual([true, false]);
  expect(Array.from({ length: 5 }, () => suspend(true))).toEqual([false, false, false, true, false]);
});
