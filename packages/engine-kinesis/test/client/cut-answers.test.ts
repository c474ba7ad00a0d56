import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { addressOf, quick } from '../read/foreign.ts';
import { KinesisApi } from '../../src/client/kinesis-api.ts';
import { resolveOptions } from '../../src/options/options.ts';
import { newStream, patient, startEngine } from '../support.ts';
import { TcpProxy } from '../tcp-proxy.ts';

const shardId = 'shardId-000000000000';
const fromFirst = { ShardIteratorType: 'TRIM_HORIZON' } as const;

/** Each kind of call that an engine makes, with a check that its answer was complete. `iterator` is a valid iterator. */
const calls: readonly (readonly [string, (api: KinesisApi, iterator: string) => Promise<unknown>])[] = [
  ['DescribeStreamSummary', async (api) => (await api.describe())?.StreamStatus],
  ['ListShards', async (api) => (await api.listShards()).length],
  ['GetShardIterator', async (api) => (await api.iterator(shardId, fromFirst)).iterator.length > 0],
  ['GetRecords', async (api, iterator) => (await api.getRecords(iterator, 10)).Records?.length],
  [
    'PutRecords',
    async (api) =>
      (await api.putRecords([{ Data: Buffer.from('{}'), PartitionKey: 'other' }])).FailedRecordCount,
  ],
];

describeWithBroker('kinesis', 'a truncated answer', (kinesis) => {
  test.each(calls)(
    '%s: fails in time, wherever it is truncated, and the next call succeeds',
    patient,
    async (_, make) => {
      const streamName = newStream();
      const engine = await startEngine({ ...addressOf(kinesis), ...quick, streamName, shardCount: 1 });
      await engine.publish({ topic: 'a', payload: 'x', key: 'k' });
      const proxy = await TcpProxy.to(kinesis.endpoint);
      const config = { ...addressOf(kinesis), streamName, endpoint: proxy.endpoint };
      const api = new KinesisApi(resolveOptions({ ...config, requestTimeoutMs: 20_000 }, ''));
      // Only for calls that are never answered.
      const hasty = new KinesisApi(resolveOptions({ ...config, requestTimeoutMs: 100 }, ''));
      onTestFinished(() => [api, hasty].forEach((one) => one.close()));
      const { iterator } = await api.iterator(shardId, fromFirst);
      const call = (): Promise<unknown> => make(api, iterator);
      const whole = await call();
      const length = proxy.answerBytes;
      expect(length).toBeGreaterThan(100);
      const outcomes = new Map<string, number>();
      // Each byte of the content and of the head's end, and some of the head.
      for (let afterBytes = 0; afterBytes < length; afterBytes += afterBytes < length - 100 ? 20 : 1) {
        proxy.fault = { afterBytes, how: 'cut' };
        const outcome = await call().then(
          (value) => `answered ${String(value)}`,
          () => 'failed',
        );
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        proxy.fault = undefined;
        expect(await call()).toEqual(whole);
      }
      expect([...outcomes.keys()]).toEqual(['failed']);
      for (const afterBytes of [0, 1, 17, Math.floor(length / 2), length - 1]) {
        proxy.fault = { afterBytes, how: 'silence' };
        await expect(make(hasty, iterator)).rejects.toMatchObject({ name: 'TimeoutError' });
        proxy.fault = undefined;
        // Over another connection: on the old one there is still the rest of the answer to come.
        expect(await call()).toEqual(whole);
        const before = proxy.connections;
        await make(hasty, iterator).catch(() => {});
        expect(proxy.connections).toBeGreaterThan(before);
      }
    },
  );
});
