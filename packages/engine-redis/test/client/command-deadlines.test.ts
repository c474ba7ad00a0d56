import { expect, onTestFinished, test } from 'vitest';
import { Deadlines } from '../../src/client/command-deadlines.ts';
import { compareIds } from '../../src/store/stream-ids.ts';
import { until } from '../support.ts';

test('a watched command ends at its deadline, even if a later deadline was added first', async () => {
  const waiting = new Map([
    ['late', performance.now() + 60_000],
    ['soon', performance.now() + 30],
    ['then', performance.now() + 60],
  ]);
  const deadlines = new Deadlines((now) => {
    for (const [name, at] of waiting) if (at <= now) waiting.delete(name);
    return Math.min(...waiting.values());
  });
  onTestFinished(() => deadlines.stop());
  for (const at of waiting.values()) deadlines.watch(at);
  await until('the first', () => !waiting.has('soon'));
  expect([...waiting.keys()]).toContain('late');
  await until('the second', () => !waiting.has('then'));
  expect([...waiting.keys()]).toEqual(['late']);
});

test.each([
  ['5-1', '5-1', 0],
  ['5-1', '5-2', -1],
  ['5-10', '5-9', 1],
  ['10-0', '9-99', 1],
  ['9-10', '10-1', -1],
  ['1-18446744073709551615', '1-18446744073709551614', 1],
])('the ids %s and %s are compared as numbers', (a, b, order) => {
  expect(Math.sign(compareIds(a, b))).toBe(order);
  expect(Math.sign(compareIds(b, a))).toBe(order === 0 ? 0 : -order);
});
