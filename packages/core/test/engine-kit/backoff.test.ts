import { expect, test, vi } from 'vitest';
import { backoffMs } from '../../src/engine-kit/backoff.ts';

test('waits a random time up to a bound that doubles with each failure, and never more than the maximum', () => {
  const random = vi.spyOn(Math, 'random').mockReturnValue(0.5);
  const waits = [1, 2, 3, 4, 5000].map((failures) => backoffMs(failures, 100, 600));
  expect(waits).toEqual([50, 100, 200, 300, 300]);
  random.mockRestore();
  expect(new Set(Array.from({ length: 20 }, () => backoffMs(3, 100, 600))).size).toBeGreaterThan(1);
});
