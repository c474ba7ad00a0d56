import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../docs/blocks.ts';
import { sourcesOfPackages } from './sources.ts';

/** The files that may read the wall clock, for timestamps. */
const timestamps = [
  'conformance/src/support/wall-clock.ts',
  'core/src/dispatch/current-work.ts',
  'core/src/dispatch/outcomes.ts',
  'core/src/dispatch/reporting/dead-letter-writer.ts',
  'core/src/engine-kit/delayed/delayed-topics.ts',
  'core/src/engine-kit/due-queue.ts',
  'core/src/engine/options/delay-options.ts',
  'core/src/engine/options/subscribe-options.ts',
  'engine-kafka/src/client/protocol/records/encode-batch.ts',
  'engine-kinesis/src/client/kinesis-api.ts',
  'engine-memory/src/history.ts',
  'engine-redis/src/pubsub/channels.ts',
];

/** `Date.now()`, or the number of a date that was made just now. */
const timeOfDay = /\bDate\.now\(|\+\s*new Date\(\)|new Date\(\)\s*\.(?:getTime|valueOf)\(/;

test('durations come from performance.now(): only the listed files read the wall clock', () => {
  const packages = join(root, 'packages');
  const found = sourcesOfPackages()
    .filter((file) => timeOfDay.test(readFileSync(file, 'utf8')))
    .map((file) => relative(packages, file))
    // The suite's cases are tests: they publish events of yesterday.
    .filter((file) => !file.startsWith('conformance/src/cases/'));
  expect(found.toSorted()).toEqual(timestamps);
});
