import { expect, onTestFinished, test, vi } from 'vitest';
import type { StreamStore } from '../../src/store/stream-store.ts';
import { Trimmer } from '../../src/store/trimmer.ts';
import { LogLines } from '../support.ts';

const minuteMs = 60_000;

function makeTrimmer(trim: (topic: string) => Promise<{ hasMore: boolean; isHeld: boolean }>): Trimmer {
  vi.useFakeTimers();
  const options = { maxLen: undefined, retentionMs: 1000 };
  const trimmer = new Trimmer({ options, logger: new LogLines(), trim } as unknown as StreamStore);
  onTestFinished(async () => {
    await trimmer.close();
    vi.useRealTimers();
  });
  return trimmer;
}

test('a topic is still trimmed by age after its last publish', async () => {
  const trimmed: string[] = [];
  const trimmer = makeTrimmer(async (topic) => {
    trimmed.push(topic);
    return { hasMore: false, isHeld: false };
  });
  trimmer.published('quiet');
  await vi.advanceTimersByTimeAsync(minuteMs);
  expect(trimmed).toEqual(['quiet']);
  await vi.advanceTimersByTimeAsync(60 * minuteMs);
  expect(trimmed.length).toBeGreaterThan(3);
});

test('a failed trim is repeated', async () => {
  let tries = 0;
  const trimmer = makeTrimmer(async () => {
    if (++tries === 1) throw new Error('no connection');
    return { hasMore: false, isHeld: false };
  });
  trimmer.published('work');
  await vi.advanceTimersByTimeAsync(minuteMs);
  expect(tries).toBe(2);
});
