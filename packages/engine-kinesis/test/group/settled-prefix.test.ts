import { expect, test } from 'vitest';
import { SettledPrefix, doneIn, sequenceNumberIn } from '../../src/group/settled-prefix.ts';

test('records which events of a record are settled, and reads the same again', () => {
  const prefix = new SettledPrefix();
  const record = prefix.begin('123', 10, true, doneIn(undefined, 10));
  expect(prefix.ahead).toEqual([]);
  for (const index of [9, 0, 1, 2, 5]) prefix.settled(record, index);
  expect(prefix.ahead).toEqual(['123:0-2,5,9']);
  expect(sequenceNumberIn('123:0-2,5,9')).toBe('123');
  expect([...doneIn('123:0-2,5,9', 10)]).toEqual([1, 1, 1, 0, 0, 1, 0, 0, 0, 1]);
  for (const index of [3, 4, 6, 7, 8]) prefix.settled(record, index);
  expect([prefix.sequenceNumber, prefix.ahead]).toEqual(['123', []]);
});

test('keeps the description of a record short, in whatever order its events are settled', () => {
  const prefix = new SettledPrefix();
  const record = prefix.begin('123', 100_000, true, doneIn(undefined, 100_000));
  for (let index = 0; index < 100_000; index += 2) prefix.settled(record, index);
  expect(prefix.ahead).toHaveLength(1);
  expect(prefix.ahead[0]!.length).toBeLessThan(300);
});
