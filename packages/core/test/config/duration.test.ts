import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { durationMs } from '../../src/config/duration.ts';

test.each<[number | string, number]>([
  [0, 0],
  [1.5, 1.5],
  ['250ms', 250],
  ['0.5s', 500],
  ['5m', 300_000],
  ['7d', 604_800_000],
  // As Go writes them.
  ['1h30m', 5_400_000],
  ['1h0m0s', 3_600_000],
  ['1m30.5s', 90_500],
  ['1m1ms', 60_001],
  ['1d12h', 129_600_000],
])('%j is %d milliseconds', (text, milliseconds) => {
  expect(durationMs(text)).toBe(milliseconds);
});

test.each([
  -1,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  '',
  '5',
  '5 m',
  '-5m',
  '1h30',
  'h',
  '1..5s',
  '1.s',
  '.5s',
  '5M',
  '10us',
  '1h 30m',
])('%j is not a duration', (value) => {
  expect(durationMs(value)).toBeUndefined();
});

test('the parts of a duration add up in any order', () => {
  const unit = fc.constantFrom('ms', 's', 'm', 'h', 'd');
  const part = fc.tuple(fc.integer({ min: 0, max: 999 }), unit).map(([amount, name]) => `${amount}${name}`);
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
      const sum = parts.reduce((total, one) => total + durationMs(one)!, 0);
      expect(durationMs(parts.join(''))).toBe(sum);
    }),
  );
});
