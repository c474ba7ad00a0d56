import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  PutRecordCommand,
  type _Record,
} from '@aws-sdk/client-kinesis';
import { type Event, deadLetterOf } from '@polybus/core';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { expect, test } from 'vitest';
import { addressOf, plainClient, quick } from './foreign.ts';
import { aggregate, deaggregate } from '../kinesis-agg.ts';
import { newStream, patient, startEngine, until } from '../support.ts';

describeWithBroker('kinesis', 'with other producers and consumers', (kinesis) => {
  const client = plainClient(kinesis);
  const config = {
    ...addressOf(kinesis),
    ...quick,
    shardCount: 1,
    checkpointStore: { type: 'memory' },
  } as const;

  const cloudEvent = (n: number): Buffer =>
    Buffer.from(
      JSON.stringify({
        specversion: '1.0',
        id: String(n),
        source: '/sdk',
        type: 'order.placed',
        data: { n },
      }),
    );

  async function put(StreamName: string, Data: Uint8Array, PartitionKey = 'customer-1'): Promise<void> {
    await client.send(new PutRecordCommand({ StreamName, Data, PartitionKey }));
  }

  async function recordsOf(StreamName: string): Promise<_Record[]> {
    const about = { ShardId: 'shardId-000000000000', ShardIteratorType: 'TRIM_HORIZON' } as const;
    const { ShardIterator } = await client.send(new GetShardIteratorCommand({ StreamName, ...about }));
    return (await client.send(new GetRecordsCommand({ ShardIterator }))).Records ?? [];
  }

  test(
    'a CloudEvent sent with the plain SDK arrives with the partition key of the record as its key',
    patient,
    async () => {
      const streamName = newStream();
      const engine = await startEngine({ ...config, streamName });
      const seen: Event[] = [];
      await engine.subscribe('order.*', (event) => void seen.push(event));
      await put(streamName, cloudEvent(7));
      await until('the event', () => seen.length === 1);
      expect(seen[0]).toMatchObject({ id: '7', topic: 'order.placed', key: 'customer-1', payload: { n: 7 } });
    },
  );

  test(
    'a record that is not an event becomes a dead letter of the topic that the stream is named after',
    patient,
    async () => {
      const streamName = newStream();
      const engine = await startEngine({ ...config, streamName });
      const [dead, seen]: [Event[], unknown[]] = [[], []];
      await engine.subscribe('_dead.*', (event) => void dead.push(event));
      await engine.subscribe('*', ({ payload }) => void seen.push(payload), { group: 'g' });
      const junk = Buffer.from([0xff, 0x00, 0xfe]);
      // The magic bytes alone do not make an aggregated record.
      const looksAggregated = Buffer.concat([Buffer.from([0xf3, 0x89, 0x9a, 0xc2]), Buffer.alloc(30, 1)]);
      for (const bytes of [junk, looksAggregated, Buffer.from('{"a":1}')]) await put(streamName, bytes);
      await engine.publish({ topic: 'after', payload: 'an event' });
      await until('three dead letters and the event', () => dead.length === 3 && seen.length === 1);
      expect(dead.map(({ payload }) => Buffer.from(payload as Uint8Array))).toEqual([
        junk,
        looksAggregated,
        Buffer.from('{"a":1}'),
      ]);
      expect(dead.map((event) => deadLetterOf(event)?.sourceTopic)).toEqual(Array(3).fill(streamName));
    },
  );

  test('records that a producer has aggregated arrive one at a time, in order', patient, async () => {
    const streamName = newStream();
    const engine = await startEngine({ ...config, streamName });
    const [plain, grouped]: [unknown[], unknown[]] = [[], []];
    await engine.subscribe<{ n: number }>('order.*', ({ payload }) => void plain.push(payload.n));
    await engine.subscribe<{ n: number }>('order.*', ({ payload }) => void grouped.push(payload.n), {
      group: 'g',
    });
    const records = Array.from({ length: 30 }, (_, n) => ({
      partitionKey: `customer-${n % 3}`,
      data: cloudEvent(n),
    }));
    const encoded = await aggregate(records);
    await put(streamName, encoded.data, encoded.partitionKey);
    const numbers = records.map((_, n) => n);
    await until('all of them', () => plain.length === 30 && grouped.length === 30);
    expect(plain).toEqual(numbers);
    expect(grouped).toEqual(numbers);
  });

  test(
    'a plain consumer reads events as CloudEvents, aggregated events with the usual library',
    patient,
    async () => {
      const streamName = newStream();
      const engine = await startEngine({ ...config, streamName, aggregate: true });
      await Promise.all(
        Array.from({ length: 50 }, (_, n) =>
          engine.publish({ topic: 'order.placed', payload: { n, text: 'x'.repeat(n * 20) }, key: 'one' }),
        ),
      );
      const records = await recordsOf(streamName);
      expect(records.length).toBeLessThan(50);
      const read = records.flatMap(({ Data, PartitionKey, SequenceNumber }) =>
        deaggregate(Data!, PartitionKey!, SequenceNumber!).map(
          (data) => JSON.parse(data.toString()) as { data: { n: number } },
        ),
      );
      expect(new Set(records.map(({ PartitionKey }) => PartitionKey))).toEqual(new Set(['one']));
      expect(read.map(({ data }) => data.n)).toEqual(Array.from({ length: 50 }, (_, n) => n));
    },
  );

  test('an event that is too large for a record is refused before anything is sent', patient, async () => {
    const streamName = newStream();
    const engine = await startEngine({ ...config, streamName });
    const publishing = engine.publish({ topic: 'big', payload: 'x'.repeat(1024 * 1024) });
    await expect(publishing).rejects.toMatchObject({
      code: 'RECORD_TOO_LARGE',
      topic: 'big',
      limit: 1024 * 1024,
      message: expect.not.stringContaining('xxxx'),
    });
    expect(await recordsOf(streamName)).toEqual([]);
    expect(engine.stats().published).toBe(0);
  });
});
