import type { Subscription } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type MemoryConfig, memoryEngine } from '@polybus/engine-memory';
import { HeldHandler, captureLog } from './held-handler.ts';

const engines: Engine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.stop();
});

async function started(config: MemoryConfig) {
  const engine = memoryEngine(config);
  engines.push(engine);
  await engine.start();
  return engine;
}

const dayMs = 24 * 60 * 60 * 1000;

async function replayed(
  engine: Engine,
  pattern: string,
  from: 'earliest' | Date = 'earliest',
): Promise<unknown[]> {
  const got: unknown[] = [];
  await engine.subscribe(pattern, ({ payload }) => void got.push(payload), { from });
  return got;
}

describe('history', () => {
  test('is replayed in order for a pattern, and new events follow', async () => {
    const engine = await started({});
    for (let i = 0; i < 30; i++)
      await engine.publish({ topic: i % 2 === 0 ? 'a.even' : 'a.odd', payload: i });
    const all = await replayed(engine, 'a.*');
    const odd = await replayed(engine, 'a.odd');
    await engine.publish({ topic: 'a.odd', payload: 'live' });
    expect(all).toEqual([...Array.from({ length: 30 }, (_, i) => i), 'live']);
    expect(odd).toEqual([...Array.from({ length: 15 }, (_, i) => 2 * i + 1), 'live']);
  });

  test('keeps the last historySize events', async () => {
    const engine = await started({ historySize: 5 });
    for (let i = 0; i < 12; i++) await engine.publish({ topic: 'a', payload: i });
    expect(await replayed(engine, 'a')).toEqual([7, 8, 9, 10, 11]);
  });

  test('contains no event older than retentionDays, even behind newer events', async () => {
    const engine = await started({ retentionDays: 1 });
    await engine.publish({ topic: 'a', payload: 'young' });
    await engine.publish({ topic: 'a', payload: 'old', createdAt: new Date(Date.now() - 2 * dayMs) });
    expect(await replayed(engine, 'a')).toEqual(['young']);
  });

  test('contains the events of retentionDays, and a replay from a date starts there', async () => {
    const engine = await started({ retentionDays: 2 });
    const now = Date.now();
    for (const days of [5, 3, 1.5, 1, 0]) {
      await engine.publish({ topic: 'a', payload: days, createdAt: new Date(now - days * dayMs) });
    }
    expect(await replayed(engine, 'a')).toEqual([1.5, 1, 0]);
    expect(await replayed(engine, 'a', new Date(now - 1.2 * dayMs))).toEqual([1, 0]);
  });

  test('drops no event in a slow replay, and new events wait behind it', async () => {
    const engine = await started({ defaultEventBufferSize: 2, workerCount: 1 });
    for (let i = 0; i < 20; i++) await engine.publish({ topic: 'a', payload: i });
    const held = new HeldHandler();
    await engine.subscribeAsync('a', held.handle, { from: 'earliest' });
    for (let i = 20; i < 25; i++) await engine.publish({ topic: 'a', payload: i });
    held.open();
    await expect.poll(() => held.got).toEqual(Array.from({ length: 25 }, (_, i) => i));
    expect(engine.stats().dropped).toBe(0);
  });

  test('lets a group that returns continue where it stopped', async () => {
    const engine = await started({});
    const got: unknown[] = [];
    const join = () =>
      engine.subscribe('a', ({ payload }) => void got.push(payload), { group: 'g', from: 'earliest' });
    await engine.publish({ topic: 'a', payload: 1 });
    const first = await join();
    await engine.publish({ topic: 'a', payload: 2 });
    await first.cancel();
    await engine.publish({ topic: 'a', payload: 3 });
    await join();
    await join();
    await engine.publish({ topic: 'a', payload: 4 });
    expect(got).toEqual([1, 2, 3, 4]);
  });

  test('expires no event when the wall clock is set forward or back', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const engine = await started({ retentionDays: 1 });
    const now = Date.now();
    await engine.publish({ topic: 'a', payload: 'before' });
    for (const days of [30, -30]) {
      vi.setSystemTime(now + days * dayMs);
      await engine.publish({ topic: 'a', payload: days });
      expect(await replayed(engine, 'a')).toContain('before');
    }
    vi.setSystemTime(now);
    expect(await replayed(engine, 'a')).toEqual(['before', 30, -30]);
  });

  test('gives a returning group the events that its last member released, even if the history has lost them', async () => {
    const engine = await started({ historySize: 2 });
    const gate = new HeldHandler();
    const group = { group: 'g', bufferSize: 10 };
    const leaving = await engine.subscribeAsync('a', gate.handle, { ...group, concurrency: 1 });
    for (let n = 0; n < 5; n++) await engine.publish({ topic: 'a', payload: n });
    await expect.poll(() => gate.got).toEqual([0]);
    const cancelling = leaving.cancel();
    gate.open();
    await cancelling;
    for (let n = 5; n < 9; n++) await engine.publish({ topic: 'a', payload: n });
    const got: unknown[] = [];
    await engine.subscribe('a', ({ payload }) => void got.push(payload), group);
    expect(got).toEqual([1, 2, 3, 4, 7, 8]);
  });

  test('reports to a group the events that the history has lost during its absence, and no others', async () => {
    const engine = memoryEngine({ historySize: 3 });
    engines.push(engine);
    const log = captureLog(engine);
    await engine.start();
    const join = async (topic: string): Promise<Subscription> => {
      return engine.subscribe(topic, () => {}, { group: 'g' });
    };
    const publish = async (topic: string, count: number): Promise<void> => {
      for (let n = 0; n < count; n++) await engine.publish({ topic, payload: n });
    };
    await publish('a.x', 5);
    const [all, b] = [await join('a.*'), await join('b')];
    await publish('a.x', 5);
    await all.cancel();
    await publish('other', 10);
    await publish('b', 10);
    const again = await join('a.*');
    expect(log).toEqual([]);
    await b.cancel();
    await again.cancel();
    await publish('a.x', 2);
    await publish('other', 4);
    await join('b');
    expect(log).toEqual([]);
    await join('a.*');
    expect(log).toMatchObject([
      {
        message: 'events may have been missed',
        fields: { topic: 'a.*', reason: expect.stringContaining('"g"') },
      },
    ]);
  });

  test('drops and counts released events at stop() if the group has not returned', async () => {
    const engine = await started({});
    const gate = new HeldHandler();
    const leaving = await engine.subscribeAsync('a', gate.handle, { group: 'g', concurrency: 1 });
    for (let n = 0; n < 5; n++) await engine.publish({ topic: 'a', payload: n });
    await expect.poll(() => gate.got).toEqual([0]);
    const cancelling = leaving.cancel();
    gate.open();
    await cancelling;
    expect(engine.stats()).toMatchObject({ delivered: 1, dropped: 0, released: 4 });
    await engine.stop();
    expect(engine.stats()).toMatchObject({ enqueued: 5, delivered: 1, dropped: 4, pending: 0 });
  });

  test('does not support replay if it is off', async () => {
    const engine = await started({ historySize: 0 });
    expect(engine.capabilities.replay).toBe(false);
    await expect(replayed(engine, 'a')).rejects.toMatchObject({
      code: 'UNSUPPORTED_CAPABILITY',
      option: 'from',
    });
  });
});
