import { expect, test } from 'vitest';
import { reconnectPauseMs } from '../../src/client/client-options.ts';

test('clients that lost a server at the same time do not connect again at the same time', () => {
  const pauses = Array.from({ length: 100 }, () => reconnectPauseMs(10));
  expect(new Set(pauses).size).toBeGreaterThan(1);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(2000);
});
