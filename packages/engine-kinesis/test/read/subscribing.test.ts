import { describe, expect, test, vi } from 'vitest';
import { FakeKinesis, keyWithin, named, overFake } from '../fake-kinesis.ts';
import { LogLines, makeEngine, startEngine, until } from '../support.ts';

const throttled = named('ProvisionedThroughputExceededException', 'Rate exceeded for shard');

describe('subscribing', () => {
  test('waits if a shard gives no more iterators in this second, and shares iterators', async () => {
    const fake = new FakeKinesis();
    let given: number[] = [];
    fake.rule = (operation) => {
      if (operation !== 'GetShardIterator') return undefined;
      const now = performance.now();
      given = given.filter((at) => now - at < 1000);
      if (given.length >= 5) return throttled;
      given.push(now);
      return undefined;
    };
    const engine = await startEngine({ ...overFake(fake), readsPerSecond: 5 });
    for (let n = 0; n < 7; n++) await engine.subscribe(`one.${n}`, () => {});
    await Promise.all(Array.from({ length: 20 }, (_, n) => engine.subscribe(`two.${n}`, () => {})));
    expect(fake.count('GetShardIterator')).toBeLessThan(12);
  });

  test.each(['ListShards', 'GetShardIterator'])('survives temporary errors of %s', async (operation) => {
    const fake = new FakeKinesis();
    const engine = await startEngine(overFake(fake));
    const faults = [named('InternalFailure'), named('ECONNRESET'), throttled];
    fake.rule = (asked) => (asked === operation ? faults.shift() : undefined);
    const seen: unknown[] = [];
    await engine.subscribe('a', ({ payload }) => void seen.push(payload));
    await engine.publish({ topic: 'a', payload: 1 });
    await until('the event', () => seen.length === 1);
    expect(faults).toEqual([]);
  });

  test('rejects with a typed error at the timeout, and immediately for a lasting error', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      const fake = new FakeKinesis();
      const engine = await startEngine(overFake(fake));
      fake.rule = (operation) => (operation === 'ListShards' ? throttled : undefined);
      const refused = engine.subscribe('a', () => {}).catch((error: unknown) => error);
      // Longer than the timeout. The subscribe waits only for these timers.
      for (let second = 0; second < 60; second++) {
        await vi.advanceTimersByTimeAsync(1000);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await refused).toMatchObject({ code: 'CONNECTION_FAILED', cause: throttled });
      const asked = fake.count('ListShards');
      expect(asked).toBeGreaterThan(5);
      fake.rule = (operation) => (operation === 'ListShards' ? named('AccessDeniedException') : undefined);
      await expect(engine.subscribe('a', () => {})).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
      expect(fake.count('ListShards')).toBe(asked + 1);
    } finally {
      vi.useRealTimers();
    }
  });

  test('ends when the engine stops, even while it waits for the next try', async () => {
    const fake = new FakeKinesis();
    const engine = await startEngine(overFake(fake));
    fake.rule = (operation) => (operation === 'ListShards' ? throttled : undefined);
    const refused = engine.subscribe('a', () => {}).catch((error: { code?: string }) => error.code);
    await until('the second try', () => fake.count('ListShards') > 1);
    await engine.stop();
    expect(await refused).toMatch(/EVENT_BUS_NOT_STARTED|CONNECTION_FAILED/);
  });

  test('reads the shards of every page of the list', async () => {
    const fake = new FakeKinesis(5);
    fake.shardsPerPage = 2;
    const engine = await startEngine(overFake(fake));
    const seen = new Set<unknown>();
    await engine.subscribe('a', ({ payload }) => void seen.add(payload));
    for (let n = 0; n < 5; n++) {
      await engine.publish({ topic: 'a', payload: n, key: keyWithin(n / 5, (n + 1) / 5) });
    }
    await until('an event of each shard', () => seen.size === 5);
    expect(fake.count('ListShards')).toBe(3);
  });
});

test('a start that the limits of the account prevent logs a warning at once, and rejects with the answer of the service', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    const fake = new FakeKinesis();
    const limit = named('LimitExceededException', 'no more than 500 shards');
    const rules: Record<string, Error> = {
      DescribeStreamSummary: named('ResourceNotFoundException'),
      CreateStream: limit,
    };
    fake.rule = (operation) => rules[operation];
    const log = new LogLines();
    const warned = vi.spyOn(log, 'warn');
    const engine = makeEngine(overFake(fake), log);
    const refused = engine.start().catch((error: unknown) => error);
    for (let second = 0; second < 130; second++) {
      await vi.advanceTimersByTimeAsync(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(warned).toHaveBeenCalledExactlyOnceWith(
      expect.stringContaining('tries again'),
      expect.objectContaining({ error: expect.stringContaining('500 shards') }),
    );
    expect(await refused).toMatchObject({
      code: 'CONNECTION_FAILED',
      cause: limit,
      message: expect.stringContaining('fewer shards'),
    });
  } finally {
    vi.useRealTimers();
  }
});
