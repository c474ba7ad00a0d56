import { describeWithBroker } from '@polybus/testbed/vitest';
import kafkajs from 'kafkajs';
import type { KafkaMessage, Message } from 'kafkajs';
import { expect, onTestFinished, test } from 'vitest';
import type { FetchedRecord } from '../../src/client/fetched-record.ts';
import { createClient } from '../../src/client/create-client.ts';
import { resolveOptions } from '../../src/options/options.ts';
import { LogLines, adminOf, newName, plainKafka, until, library } from '../support.ts';

/** What may be in a record, and how long its parts may be: lengths take another byte from 64 and from 8192 on. */
const messages: readonly Message[] = [
  { value: 'plain' },
  { key: 'k', value: null },
  { key: '', value: '' },
  { key: Buffer.from([0xff, 0]), value: Buffer.alloc(63, 1), timestamp: '1000' },
  { key: 'k'.repeat(64), value: 'v'.repeat(8191), timestamp: '5000000000000' },
  { key: 'k'.repeat(8192), value: 'v'.repeat(100_000), timestamp: '1' },
  { value: 'h', headers: { a: '1', b: ['1', '2', '3'], empty: '', 'not ASCII ü': Buffer.from([0xff]) } },
];

const kinds = ['CreateTime', 'LogAppendTime'].flatMap((time) =>
  [kafkajs.CompressionTypes.None, kafkajs.CompressionTypes.GZIP].map((codec) => [time, codec] as const),
);

describeWithBroker('kafka', 'records', ({ brokers }) => {
  test.each(kinds)('are decoded as by kafkajs: %s, compression %d', async (time, compression) => {
    const topic = newName();
    const admin = await adminOf(brokers);
    const configEntries = [
      { name: 'message.timestamp.type', value: time },
      { name: 'message.timestamp.after.max.ms', value: '9223372036854775807' },
    ];
    await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }] });
    const kafka = plainKafka(brokers);
    const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    await producer.connect();
    onTestFinished(() => producer.disconnect());
    await producer.send({ topic, compression, messages: [...messages] });
    await producer.send({ topic, compression, messages: messages.toReversed() });

    const theirs: KafkaMessage[] = [];
    const consumer = kafka.consumer({ groupId: newName('g'), maxWaitTimeInMs: 50 });
    await consumer.connect();
    onTestFinished(() => consumer.disconnect());
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => void theirs.push(message) });
    await until('all of them', () => theirs.length === 2 * messages.length);

    const client = await createClient(
      resolveOptions({ client: library, brokers: [...brokers] }, 'test'),
      new LogLines(),
      'kafka',
    );
    await client.connect();
    onTestFinished(() => client.close());
    const leader = (await client.topics()).get(topic)![0]!;
    const ours: FetchedRecord[] = [];
    while (ours.length < theirs.length) {
      const [part] = await client.fetch(leader, {
        positions: [{ topic, partition: 0, offset: ours.length }],
        maxWaitMs: 0,
        maxBytes: 1_000_000,
        maxBytesPerPartition: 1_000_000,
      });
      expect(part).toMatchObject({ failure: undefined, highWatermark: 14, lastStable: 14 });
      ours.push(...part!.records);
    }
    expect(
      ours.map(({ offset, timestamp, key, value, headers }) => ({ offset, timestamp, key, value, headers })),
    ).toEqual(
      theirs.map(({ offset, timestamp, key, value, headers }) => ({
        offset: Number(offset),
        timestamp: Number(timestamp),
        key,
        value,
        headers,
      })),
    );
  });
});
