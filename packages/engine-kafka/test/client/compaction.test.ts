import { spawn } from 'node:child_process';
import { kafkaTool } from '@polybus/testbed';
import { describeWithBroker } from '@polybus/testbed/vitest';
import kafkajs from 'kafkajs';
import type { Producer, ProducerConfig } from 'kafkajs';
import { expect, onTestFinished, test } from 'vitest';
import type { KafkaClient } from '../../src/client/kafka-client.ts';
import { createClient } from '../../src/client/create-client.ts';
import { resolveOptions } from '../../src/options/options.ts';
import { ownKafka } from '../read/foreign.ts';
import { LogLines, adminOf, newName, plainKafka, startEngine, until, library } from '../support.ts';

/** Each message is a segment, and the cleaner takes all but the last of them at once. */
const compacted = [
  { name: 'cleanup.policy', value: 'compact' },
  { name: 'min.cleanable.dirty.ratio', value: '0.001' },
  { name: 'segment.ms', value: '1' },
  { name: 'max.compaction.lag.ms', value: '1' },
  { name: 'delete.retention.ms', value: '0' },
];

const wholeMs = 120_000;

describeWithBroker('kafka', 'removed records', async () => {
  const { brokers } = await ownKafka({ config: { 'log.cleaner.backoff.ms': '50' } });

  async function createTopic(configEntries: { name: string; value: string }[] = []): Promise<string> {
    const topic = newName();
    const admin = await adminOf(brokers);
    await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }] });
    return topic;
  }

  async function producerOf(config: ProducerConfig = {}): Promise<Producer> {
    const producer = plainKafka(brokers).producer({
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      ...config,
    });
    await producer.connect();
    onTestFinished(() => producer.disconnect());
    return producer;
  }

  async function clientOf(): Promise<KafkaClient> {
    const client = await createClient(
      resolveOptions({ client: library, brokers }, 'test'),
      new LogLines(),
      'kafka',
    );
    await client.connect();
    onTestFinished(() => client.close());
    return client;
  }

  /** The offsets of the records that there are. */
  async function offsetsIn(client: KafkaClient, topic: string): Promise<number[]> {
    const leader = (await client.topics()).get(topic)![0]!;
    const [end] = await client.offsets(new Map([[topic, [0]]]), 'latest');
    const all: number[] = [];
    for (let offset = 0; offset < end!.offset;) {
      const [part] = await client.fetch(leader, {
        positions: [{ topic, partition: 0, offset }],
        maxWaitMs: 0,
        maxBytes: 10_000_000,
        maxBytesPerPartition: 10_000_000,
      });
      all.push(...part!.records.map((one) => one.offset));
      offset = part?.next ?? end!.offset;
    }
    return all;
  }

  /** Appends to the topic until the log cleaner has removed these offsets. Returns the last appended value. */
  async function untilGone(topic: string, producer: Producer, gone: readonly number[]): Promise<string> {
    const client = await clientOf();
    let n = 0;
    await until('the cleaner', async () => {
      await producer.send({ topic, messages: [{ key: 'roll', value: `"roll ${++n}"` }] });
      const there = await offsetsIn(client, topic);
      return gone.every((offset) => !there.includes(offset));
    });
    return `roll ${n}`;
  }

  /** One batch per answer, so that only the batch determines the next position. */
  const oneBatch = { fetchMaxBytesPerPartition: 1, fetchMaxBytes: 1 };

  async function readsAll(topic: string, expected: readonly unknown[]): Promise<void> {
    const engine = await startEngine({ brokers, ...oneBatch });
    const group = newName('g');
    const [plain, grouped]: [unknown[], unknown[]] = [[], []];
    await engine.subscribe(topic, ({ payload }) => void plain.push(payload), { from: 'earliest' });
    await engine.subscribe(topic, ({ payload }) => void grouped.push(payload), { from: 'earliest', group });
    await until('the last event', () => [plain, grouped].every((seen) => seen.includes(expected.at(-1))));
    // The cleaner may also have removed records that were appended to start it.
    const wanted = (seen: unknown[]): unknown[] => seen.filter((one) => expected.includes(one));
    expect([wanted(plain), wanted(grouped)]).toEqual([expected, expected]);
    await until('no lag', async () => (await engine.lag!()).every(({ events }) => events === 0));
    const admin = await adminOf(brokers);
    const [end] = await admin.fetchTopicOffsets(topic);
    await until('the group to be at the end', async () => {
      const [at] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
      return at?.partitions[0]?.offset === end!.high;
    });
    expect((await engine.health()).status).toBe('up');
  }

  test(
    'a batch without its last and its first records is read past',
    async () => {
      const topic = await createTopic(compacted);
      const producer = await producerOf();
      const send = (...keys: string[]) =>
        producer.send({ topic, messages: keys.map((key) => ({ key, value: JSON.stringify(key) })) });
      await send('a', 'same', 'same');
      await send('same', 'b', 'same');
      await send('c', 'same', 'd');
      const last = await untilGone(topic, producer, [1, 2, 3, 5]);
      await readsAll(topic, ['a', 'b', 'c', 'same', 'd', last]);
    },
    wholeMs,
  );

  test(
    'a batch without any records is read past, in the middle and at the end',
    async () => {
      const topic = await createTopic(compacted);
      const producer = await producerOf();
      const counted = await producerOf({ idempotent: true, maxInFlightRequests: 1 });
      const send = (by: Producer, key: string) =>
        by.send({ topic, messages: [{ key, value: JSON.stringify(key) }] });
      await send(producer, 'first');
      // The cleaner keeps the last batch of a producer that counts, for its count.
      await send(counted, 'roll');
      const last = await untilGone(topic, producer, [1]);
      await readsAll(topic, ['first', last]);
    },
    wholeMs,
  );

  test('a partition that ends with aborted transactions and their markers is read to its end', async () => {
    const topic = await createTopic();
    const producer = await producerOf();
    const transactional = await producerOf({
      transactionalId: newName('tx'),
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.send({ topic, messages: [{ value: '1' }] });
    for (let n = 0; n < 3; n++) {
      const transaction = await transactional.transaction();
      for (const value of ['"given up"', '"this too"'])
        await transaction.send({ topic, messages: [{ value }] });
      await transaction.abort();
    }
    await readsAll(topic, [1]);
    const transaction = await transactional.transaction();
    await transaction.send({ topic, messages: [{ value: '2' }] });
    await transaction.commit();
    await readsAll(topic, [1, 2]);
  });

  test('records that retention deletes during a subscription are skipped, in a group and without', async () => {
    const topic = await createTopic();
    const producer = await producerOf();
    const admin = await adminOf(brokers);
    const engine = await startEngine({ brokers, ...oneBatch });
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const [plain, grouped] = [new Set<unknown>(), new Set<unknown>()];
    for (const [seen, options] of [
      [plain, {}],
      [grouped, { group: newName('g') }],
    ] as const) {
      await engine.subscribe(topic, ({ payload }) => opened.then(() => void seen.add(payload)), {
        ...options,
        from: 'earliest',
        bufferSize: 1,
      });
    }
    const fill = 'x'.repeat(1000);
    for (let n = 0; n < 20; n++) {
      const messages = Array.from({ length: 100 }, (_, i) => ({
        value: JSON.stringify({ n: n * 100 + i, fill }),
      }));
      await producer.send({ topic, messages });
    }
    // kafkajs asks only about topics that it has been asked about.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '1950' }] });
    open();
    const last = (seen: Set<unknown>): boolean => [...seen].some((one) => (one as { n: number }).n === 1999);
    await until('what is left', () => last(plain) && last(grouped));
    expect(Math.max(plain.size, grouped.size)).toBeLessThan(2000);
  });

  test('records that are larger than the limit of a fetch are read, from each of several partitions', async () => {
    const topic = newName();
    const engine = await startEngine({ brokers, ...oneBatch, numPartitions: 3 });
    const fill = 'x'.repeat(50_000);
    const numbers = Array.from({ length: 30 }, (_, n) => n);
    for (const n of numbers) await engine.publish({ topic, payload: { n, fill }, key: `key-${n % 9}` });
    const seen = new Set<number>();
    await engine.subscribe<{ n: number }>(topic, ({ payload }) => void seen.add(payload.n), {
      from: 'earliest',
    });
    await until('all of them', () => seen.size === numbers.length);
  });

  test(
    'a batch with more records than a function call can have arguments is read, and so are later records',
    async () => {
      const topic = await createTopic();
      const count = 150_000;
      // kafkajs needs minutes to create such a batch; Kafka's own producer creates one if its settings allow it.
      const { command, args } = await kafkaTool('org.apache.kafka.tools.ConsoleProducer');
      const properties = ['batch.size=16000000', 'linger.ms=3000', 'max.request.size=100000000'];
      const tool = spawn(command, [
        ...args,
        ...['--bootstrap-server', brokers.join(), '--topic', topic, '--compression-codec', 'gzip'],
        ...properties.flatMap((one) => ['--command-property', one]),
      ]);
      onTestFinished(() => void tool.kill('SIGKILL'));
      tool.stdin.end(Array.from({ length: count }, (_, n) => `${n}\n`).join(''));
      await new Promise((resolve) => tool.once('exit', resolve));
      const producer = await producerOf();
      await producer.send({ topic, messages: [{ value: String(count) }] });
      const engine = await startEngine({ brokers });
      let next = 0;
      await engine.subscribe(topic, ({ payload }) => void (next += payload === next ? 1 : 0), {
        from: 'earliest',
      });
      await until('all of them, in order', () => next === count + 1);
    },
    wholeMs,
  );
});
