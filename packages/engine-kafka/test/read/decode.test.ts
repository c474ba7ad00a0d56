import { expect, test } from 'vitest';
import { decode } from '../../src/read/decode.ts';
import { recordOf } from '../simulated.ts';

test('a record is decoded once for all subscriptions that took it, and kept for them only', () => {
  const record = { ...recordOf(7, 'an event'), takers: 2 };
  const first = decode('t', 0, record);
  expect(decode('t', 0, record)).toBe(first);
  expect(record.decoded).toBeUndefined();
});

test('the decoded event is not kept if only one subscription took the record', () => {
  const record = { ...recordOf(7, 'an event'), takers: 1 };
  decode('t', 0, record);
  expect(record.decoded).toBeUndefined();
});
