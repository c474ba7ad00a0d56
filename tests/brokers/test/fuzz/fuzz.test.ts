import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { type Event, type Logger, createEventBus, deadLetterOf, deadLetterTopic } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { kafkaEngine } from '@polybus/engine-kafka';
import { MemoryCheckpointStore, kinesisEngine } from '@polybus/engine-kinesis';
import { redisEngine } from '@polybus/engine-redis';
import { newName, until } from '@polybus/testbed/engine';
import { describeWithBroker } from '@polybus/testbed/vitest';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { Redis } from 'ioredis';
import kafkajs from 'kafkajs';
import { expect, onTestFinished, test } from 'vitest';
import { type HostileRecord, hostileRecords } from './hostile-records.ts';

/** How many hostile records Kafka and Redis get each; Kinesis gets a quarter. `POLYBUS_FUZZ=500000 -t "Kafka|Redis"` makes a million; the emulator of Kinesis is too slow for it. */
const total = Number(process.env['POLYBUS_FUZZ'] ?? 2000);
const batchSize = 500;
/** The seed of the records of a run. */
const firstSeed = Number(process.env['POLYBUS_FUZZ_SEED'] ?? 1);
const keys = ['a', 'b', 'c'];
/** Each undecodable record is a warning. */
const silent: Logger = { warn: () => {}, error: () => {} };

interface Target {
  readonly topic: string;
  /** The pattern that matches every event of the stream, if a foreign record can name its own topic. */
  readonly pattern?: string;
  readonly engine: Engine;
  readonly count: number;
  readonly write: (records: readonly HostileRecord[]) => Promise<void>;
}

/** Writes hostile records while events flow, and accounts for each of both. */
async function fuzz({ topic, pattern = topic, engine, count, write }: Target): Promise<void> {
  const bus = createEventBus({ engines: [{ name: 'fuzzed', engine }], logger: silent });
  await bus.start();
  onTestFinished(() => bus.stop());
  const handled = new Map<string, number[]>(keys.map((key) => [key, []]));
  let foreign = 0;
  const handle = (event: Event): void => {
    if (deadLetterOf(event) !== undefined) return;
    if (event.metadata['fuzz'] === 'ours') handled.get(event.key!)!.push(event.payload as number);
    else foreign++;
  };
  await bus.subscribe(pattern, handle, { group: 'fuzz' });
  let dead = 0;
  await bus.subscribe(pattern === topic ? deadLetterTopic(topic) : '_dead.*', () => void dead++);

  const published = new Map<string, number[]>(keys.map((key) => [key, []]));
  let written = 0;
  for (let seed = firstSeed; written < count; seed++) {
    const records = hostileRecords(seed, Math.min(batchSize, count - written));
    const events = keys.flatMap((key) => [0, 1].map((n) => ({ key, n: written * 2 + n })));
    await Promise.all([
      write(records),
      ...events.map(({ key, n }) => {
        published.get(key)!.push(n);
        return bus.publish(topic, n, { key, metadata: { fuzz: 'ours' } });
      }),
    ]);
    written += records.length;
    await until(
      `each record of seed ${seed} to be handled or to become a dead letter`,
      () => foreign + dead >= written,
    );
  }
  await until('each event', () =>
    keys.every((key) => handled.get(key)!.length >= published.get(key)!.length),
  );
  expect({ records: foreign + dead, handled }).toEqual({ records: written, handled: published });
  expect(dead).toBeGreaterThan(0);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
}

const patient = { timeout: 600_000 };

describeWithBroker('kafka', 'fuzz', ({ brokers }) => {
  test(
    'hostile records on Kafka are handled or become dead letters, and cost no event',
    patient,
    async () => {
      const topic = newName('fuzz');
      const client = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING });
      const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
      await producer.connect();
      onTestFinished(() => producer.disconnect());
      await fuzz({
        topic,
        count: total,
        engine: kafkaEngine({ brokers: [...brokers], numPartitions: 2 }),
        write: async (records) => {
          const messages = records.map(({ value, headers, key }) => ({
            value,
            headers: { ...headers },
            key: key ?? null,
          }));
          await producer.send({ topic, messages });
        },
      });
    },
  );
});

describeWithBroker('redis', 'fuzz', ({ url }) => {
  test(
    'hostile entries on Redis Streams are handled or become dead letters, and cost no event',
    patient,
    async () => {
      const topic = 'fuzz';
      const keyPrefix = `${newName('fuzz')}:`;
      const client = new Redis(url);
      onTestFinished(() => client.disconnect());
      await fuzz({
        topic,
        count: total,
        engine: redisEngine({ url, mode: 'streams', keyPrefix }),
        write: async (records) => {
          const pipeline = client.pipeline();
          for (const { value, headers, key } of records) {
            const fields: (string | Buffer)[] = ['event', value];
            if (key !== undefined) fields.push('key', key);
            for (const [name, text] of Object.entries(headers)) fields.push(name, text);
            pipeline.xadd(keyPrefix + topic, '*', ...fields);
          }
          await pipeline.exec();
        },
      });
    },
  );
});

describeWithBroker('kinesis', 'fuzz', ({ endpoint, region, credentials }) => {
  test(
    'hostile records on Kinesis are handled or become dead letters, and cost no event',
    patient,
    async () => {
      const streamName = newName('fuzz');
      const requestHandler = new NodeHttpHandler();
      const client = new KinesisClient({ endpoint, region, credentials: { ...credentials }, requestHandler });
      onTestFinished(() => client.destroy());
      await fuzz({
        topic: 'fuzz',
        pattern: '*',
        count: total / 4,
        engine: kinesisEngine({
          endpoint,
          region,
          ...credentials,
          streamName,
          shardCount: 2,
          pollInterval: 100,
          readsPerSecond: 50,
          checkpointStore: new MemoryCheckpointStore(),
        }),
        write: async (records) => {
          let rest = records.map(({ value, key }) => ({
            Data: value,
            PartitionKey: (key ?? Buffer.from('none')).toString('hex'),
          }));
          while (rest.length > 0) {
            const { Records = [] } = await client.send(
              new PutRecordsCommand({ StreamName: streamName, Records: rest }),
            );
            rest = rest.filter((_, i) => Records[i]?.ErrorCode !== undefined);
          }
        },
      });
    },
  );
});
