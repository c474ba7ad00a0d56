import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { murmur2, partitionerFor } from '../../src/client/protocol/partitioner.ts';

const theirs = createRequire(import.meta.url)('kafkajs/src/producer/partitioners/default/murmur2') as (
  key: Buffer,
) => number;

test('the hash of a key is that of other Kafka clients', () => {
  // From the tests of Kafka's Java client.
  expect(murmur2(Buffer.from('21'))).toBe(-973_932_308);
  expect(murmur2(Buffer.from('a-little-bit-long-string'))).toBe(-985_981_536);
  for (let length = 0; length < 64; length++) {
    const key = Buffer.from(Array.from({ length }, (_, n) => (n * 151 + length * 37) % 256));
    expect([length, murmur2(key)]).toEqual([length, theirs(key)]);
  }
});

test('records without a key go to one partition, or to all that have a leader', () => {
  const leaders = [1, -1, 2, 1];
  const partitionsOf = (keyless: 'ordered' | 'spread'): number[] => {
    const choose = partitionerFor(keyless);
    return [...new Set(Array.from({ length: 100 }, () => choose('t', null, leaders)))].sort((a, b) => a - b);
  };
  expect(partitionsOf('ordered')).toHaveLength(1);
  expect(partitionsOf('spread')).toEqual([0, 2, 3]);
});
