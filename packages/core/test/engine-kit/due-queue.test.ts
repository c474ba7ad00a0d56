import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DueQueue } from '../../src/engine-kit/index.ts';

const dayMs = 86_400_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function queue(): { items: DueQueue<string>; due: string[] } {
  const due: string[] = [];
  return { items: new DueQueue<string>((item) => due.push(item)), due };
}

test('items come in the order of their times, and those of the same time as they were added', () => {
  const { items, due } = queue();
  const at = Date.now() + 50;
  items.add('late', { delayMs: 90 });
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    items.add(name, { at });
    vi.advanceTimersByTime(1);
  }
  items.add('early', { delayMs: 10 });
  vi.advanceTimersByTime(100);
  expect(due).toEqual(['early', 'a', 'b', 'c', 'd', 'e', 'late']);
  expect(items.size).toBe(0);
});

test('a delay that is longer than a timer ends at its time, not earlier', () => {
  const { items, due } = queue();
  items.add('far', { delayMs: 40 * dayMs });
  vi.advanceTimersByTime(40 * dayMs - 1);
  expect(due).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(due).toEqual(['far']);
});

test('a delay in milliseconds does not follow the wall clock', () => {
  const { items, due } = queue();
  items.add('one', { delayMs: 100 });
  vi.setSystemTime(Date.now() + dayMs);
  vi.advanceTimersByTime(99);
  expect(due).toEqual([]);
  vi.setSystemTime(Date.now() - 2 * dayMs);
  vi.advanceTimersByTime(1);
  expect(due).toEqual(['one']);
});

test('a time after the wall clock was set counts by the new clock', () => {
  const { items, due } = queue();
  items.add('before', { at: Date.now() + 10 });
  vi.setSystemTime(Date.now() + dayMs);
  items.add('after', { at: Date.now() + 100 });
  vi.advanceTimersByTime(99);
  expect(due).toEqual(['before']);
  vi.advanceTimersByTime(10);
  expect(due).toEqual(['before', 'after']);
});

test('an empty queue has no timer', () => {
  const { items, due } = queue();
  items.add('one', { delayMs: 10 });
  items.add('two', { delayMs: 20 });
  items.clear();
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(100);
  expect(due).toEqual([]);
});

test('no item comes before its time by the wall clock if that is set back by a little', () => {
  const early: number[] = [];
  const items = new DueQueue<number>((at) => early.push(at - Date.now()));
  items.add(Date.now() + 5, { at: Date.now() + 5 });
  vi.setSystemTime(Date.now() - 2);
  items.add(Date.now() + 50, { at: Date.now() + 50 });
  vi.advanceTimersByTime(100);
  expect(early).toHaveLength(2);
  expect(early[1]).toBeLessThanOrEqual(0);
});

test('an item comes in the asynchronous context of the queue, not in that of its publisher', async () => {
  // Fake timers have no asynchronous context.
  vi.useRealTimers();
  const context = new AsyncLocalStorage<string>();
  const seen = new Promise((resolve) => {
    const items = new DueQueue<string>(() => resolve(context.getStore()));
    context.run('publisher', () => items.add('one', { delayMs: 5 }));
  });
  expect(await seen).toBeUndefined();
});
