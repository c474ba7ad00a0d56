import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { MemoryCheckpointStore } from '../../src/index.ts';
import { FakeKinesis, named, overFake } from '../fake-kinesis.ts';
import { LogLines, newStream, startEngine, storesById, until } from '../support.ts';

const hourMs = 3_600_000;

/** Our clock is wrong by so much; the server's is right. */
function shiftClock(byMs: number): () => number {
  const now = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => now() + byMs);
  onTestFinished(() => void vi.restoreAllMocks());
  return now;
}

describe('a wrong clock', () => {
  test('does not prevent a start: a call whose signature the client has corrected is repeated', async () => {
    const fake = new FakeKinesis();
    const wrong = Object.assign(named('InvalidSignatureException'), {
      $metadata: { clockSkewCorrected: true },
    });
    const asked = new Set<string>();
    fake.rule = (operation) => (asked.has(operation) ? undefined : (asked.add(operation), wrong));
    const engine = await startEngine(overFake(fake));
    const seen: unknown[] = [];
    await engine.subscribe('a', ({ payload }) => void seen.push(payload));
    await engine.publish({ topic: 'a', payload: 1 });
    await until('the event', () => seen.length === 1);
    fake.rule = () => Object.assign(named('InvalidSignatureException'), { $metadata: {} });
    await expect(engine.publish({ topic: 'a', payload: 2 })).rejects.toMatchObject({
      code: 'PUBLISH_FAILED',
    });
  });

  test.each([
    ['behind', -hourMs],
    ['ahead', hourMs],
  ])('loses no event if an iterator expires before its first read (%s)', async (_, byMs) => {
    const fake = new FakeKinesis();
    fake.date = shiftClock(byMs);
    const engine = await startEngine(overFake(fake));
    let refused = 0;
    let isOver = false;
    fake.rule = (operation) => {
      if (operation !== 'GetRecords' || isOver) return undefined;
      refused++;
      return named('ExpiredIteratorException');
    };
    const seen: unknown[] = [];
    await engine.subscribe('a', ({ payload }) => void seen.push(payload));
    await engine.publish({ topic: 'a', payload: 1 });
    await until('iterators to have been refused', () => refused > 2);
    isOver = true;
    await until('the event', () => seen.length === 1);
  });
});

/** Kinds of subscriptions, by the options that make them. */
const kinds = [
  ['a subscription without a group', {}],
  ['a group', { group: 'g' }],
] as const;

describe.each(kinds)('%s', (_, options) => {
  const start = async (fake: FakeKinesis) => {
    const engine = await startEngine({ ...overFake(fake), checkpointStore: storesById(newStream()) });
    const seen: unknown[] = [];
    await engine.subscribe('a', ({ payload }) => void seen.push(payload), options);
    return { engine, seen };
  };

  test('continues with a shard that is temporarily not found', async () => {
    const fake = new FakeKinesis();
    const { engine, seen } = await start(fake);
    let left = 5;
    fake.rule = (operation) =>
      (operation === 'GetRecords' || operation === 'GetShardIterator') && left-- > 0
        ? named('ResourceNotFoundException')
        : undefined;
    await until('it to have been looked for', () => left < 0);
    await engine.publish({ topic: 'a', payload: 1 });
    await until('the event', () => seen.length === 1);
  });

  test('finds the records after a shard whose records have expired', async () => {
    const fake = new FakeKinesis();
    const { engine, seen } = await start(fake);
    await engine.publish({ topic: 'a', payload: 1 });
    await until('the first event', () => seen.length === 1);
    // While reading failed, the shard was split, one of its children was split, and both parents were trimmed.
    fake.rule = (operation) => (operation === 'GetRecords' ? named('InternalFailure') : undefined);
    fake.split('shard-0', 'left', 'right');
    fake.split('right', 'middle', 'end');
    fake.shards.delete('shard-0');
    fake.shards.delete('right');
    await engine.publish({ topic: 'a', payload: 2 });
    fake.rule = () => undefined;
    await until('the second event', () => seen.length === 2);
    await engine.publish({ topic: 'a', payload: 3 });
    await until('the third event', () => seen.length === 3);
    expect(seen).toEqual([1, 2, 3]);
  });

  test('continues if the server omits the children of a shard, or answers without content', async () => {
    const fake = new FakeKinesis();
    const { engine, seen } = await start(fake);
    let empty = 2;
    fake.rule = (operation) => (operation === 'GetRecords' && empty-- > 0 ? {} : undefined);
    await engine.publish({ topic: 'a', payload: 1 });
    await until('the first event', () => seen.length === 1);
    fake.split('shard-0', 'left', 'right');
    for (const child of ['left', 'right']) expect(fake.shards.get(child)?.parents).toEqual(['shard-0']);
    fake.shards.get('shard-0')!.children = [];
    await engine.publish({ topic: 'a', payload: 2 });
    await until('the second event', () => seen.length === 2);
  });
});

test('short-lived subscriptions do not read a shard more often than a lasting one', async () => {
  const fake = new FakeKinesis();
  const engine = await startEngine({ ...overFake(fake), readsPerSecond: 5, pollInterval: 1 });
  const began = performance.now();
  for (let n = 0; n < 10; n++) {
    const subscription = await engine.subscribe('a', () => {}, { from: 'earliest' });
    await until('a turn for its read', () => fake.count('GetShardIterator') > n);
    await subscription.cancel();
  }
  await engine.subscribe('a', () => {});
  await until('a read', () => fake.count('GetRecords') > 1);
  expect(fake.count('GetRecords') - 1).toBeLessThanOrEqual((performance.now() - began) / 200);
});

test('a document drops shards that the stream no longer lists', async () => {
  const fake = new FakeKinesis();
  const checkpointStore = new MemoryCheckpointStore();
  const engine = await startEngine({ ...overFake(fake), checkpointStore });
  const seen: unknown[] = [];
  await engine.subscribe('a', ({ payload }) => void seen.push(payload), { group: 'g' });
  const shardsOf = async (): Promise<string[]> => {
    const { text = '' } = (await checkpointStore.read('fake/g')) ?? {};
    return Object.keys((JSON.parse(text) as { leases: { a: object } }).leases.a).sort();
  };
  fake.split('shard-0', 'left', 'right');
  await until('the children', async () => (await shardsOf()).join() === 'left,right,shard-0');
  fake.shards.delete('shard-0');
  fake.merge('left', 'right', 'last');
  await until('the first to be forgotten', async () => (await shardsOf()).join() === 'last,left,right');
  await engine.publish({ topic: 'a', payload: 1 });
  await until('the event', () => seen.length === 1);
});

test('requests for a stream that is deleted do not become more frequent, in a group and without', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    const [fake, log] = [new FakeKinesis(), new LogLines()];
    const engine = await startEngine({ ...overFake(fake), checkpointStore: { type: 'memory' } }, log);
    await engine.subscribe('a', () => {});
    await engine.subscribe('a', () => {}, { group: 'g' });
    const pass = async (seconds: number): Promise<number> => {
      const before = log.lines.length;
      for (let second = 0; second < seconds; second++) {
        await vi.advanceTimersByTimeAsync(1000);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return log.lines.slice(before).filter((line) => line.includes('could not be listed')).length;
    };
    fake.rule = () => named('ResourceNotFoundException');
    await pass(20);
    const atFirst = await pass(20);
    await pass(60);
    expect(atFirst).toBeGreaterThan(0);
    expect(await pass(20)).toBeLessThan(2 * atFirst);
    await engine.stop();
  } finally {
    vi.useRealTimers();
  }
});
