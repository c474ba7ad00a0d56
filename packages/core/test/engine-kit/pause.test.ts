import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { pause } from '../../src/engine-kit/index.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a pause resolves after its time, and leaves no listener', async () => {
  const { signal } = new AbortController();
  const ended = vi.fn<() => void>();
  const pausing = pause(100, signal).then(ended);
  await vi.advanceTimersByTimeAsync(99);
  expect(ended).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  await pausing;
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('a pause rejects with the reason of a signal that aborts, before or during it, and leaves no timer', async () => {
  const controller = new AbortController();
  const reason = new Error('closing');
  const during = pause(100, controller.signal);
  controller.abort(reason);
  await expect(during).rejects.toBe(reason);
  await expect(pause(100, controller.signal)).rejects.toBe(reason);
  expect(vi.getTimerCount()).toBe(0);
});
