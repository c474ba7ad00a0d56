import { expect, onTestFinished, test, vi } from 'vitest';
import { KinesisApi } from '../../src/client/kinesis-api.ts';
import { resolveOptions } from '../../src/options/options.ts';
import { ShardReaders } from '../../src/read/shard-readers.ts';
import { LogLines } from '../support.ts';

const leaseDurationMs = 20;

function makeReaders(): ShardReaders {
  const options = resolveOptions({ region: 'eu-west-1', leaseDurationMs, checkpointIntervalMs: 10 }, '');
  const api = new KinesisApi(options);
  onTestFinished(() => api.close());
  return new ShardReaders(api, options, { logger: new LogLines(), missed: () => {} });
}

test('two failures far apart do not count as reads that failed all the time between', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const readers = makeReaders();
    readers.readFailed(new Error('one'));
    vi.advanceTimersByTime(10 * leaseDurationMs);
    readers.readFailed(new Error('two'));
    expect(readers.failingMs).toBe(leaseDurationMs);
  } finally {
    vi.useRealTimers();
  }
});
