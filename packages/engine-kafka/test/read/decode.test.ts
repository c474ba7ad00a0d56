import { expect, test } from 'vitest';
import { decode } from '../../src/read/decode.ts';
import { recordOf } from '../simulated.ts';

test('a record is decoded once for all places that took it, and what was decoded is kept for them alone', () => {
  const record = { ...recordOf(7, 'an event'), takers: 2 };
  const first = decode('t', 0, record);
  expect(decode('t', 0, record)).toBe(first);
  expect(record.decoded).toBeUndefined();
});

test('what one place alone took is not kept beside its record', () => {
  const record = { ...recordOf(7, 'an event'), takers: 1 };
  decode('t', 0, record);
  expect(record.decoded).toBeUndefined();
});
