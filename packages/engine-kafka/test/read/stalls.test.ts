import { describeWithBroker } from '@polybus/testbed/vitest';
import type { Engine } from '@polybus/core/engine';
import kafkajs from 'kafkajs';
import type { Kafka } from 'kafkajs';
import snappy from 'kafkajs-snappy';
import { expect, onTestFinished, test } from 'vitest';
import { CuttingProxy, apiKeys } from '../cutting-proxy.ts';
import { adminOf, anotherKafkajs, newName, plainKafka, startEngine, until, library } from '../support.ts';

describeWithBroker('kafka', 'health() while reading stalls', ({ brokers }) => {
  const list = [...brokers];
  const [broker = ''] = list;

  async function untilDegraded(engine: Engine, reason: RegExp): Promise<void> {
    await until(`health to say ${String(reason)}`, async () => {
      const { status, error } = await engine.health();
      return status === 'degraded' && reason.test(error ?? '');
    });
  }

  async function untilUp(engine: Engine): Promise<void> {
    await until('the engine to be up', async () => (await engine.health()).status === 'up');
  }

  async function createTopics(...topics: string[]): Promise<void> {
    const admin = await adminOf(list);
    await admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: 1 })) });
  }

  /** A copy of kafkajs that has the codec, which ours has not. */
  function kafkaWithSnappy(): Kafka {
    const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = anotherKafkajs();
    CompressionCodecs[CompressionTypes.Snappy] = snappy;
    return new Kafka({ brokers: list, logLevel: logLevel.NOTHING });
  }

  async function sendCompressed(kafka: Kafka, topic: string, value: string): Promise<void> {
    const { CompressionTypes, Partitioners } = kafkajs;
    const producer = kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    onTestFinished(() => producer.disconnect());
    await producer.send({ topic, compression: CompressionTypes.Snappy, messages: [{ value }] });
  }

  test('names an unreadable partition and the reason; other partitions are read, and this partition as soon as possible', async () => {
    const [broken, whole] = [newName('broken'), newName('whole')];
    await createTopics(broken, whole);
    // With the other client, no codec can be missing that is added later.
    const engine = await startEngine({ client: 'kafkajs', brokers: list, stallLimitMs: 300 });
    const seen: unknown[] = [];
    const group = newName('g');
    await engine.subscribe(broken, ({ payload }) => void seen.push(payload), { group });
    await engine.subscribe(whole, ({ payload }) => void seen.push(payload));
    await engine.publish({ topic: broken, payload: 'before' });
    await until('what is before', () => seen.length === 1);
    await sendCompressed(kafkaWithSnappy(), broken, '"compressed"');
    await untilDegraded(
      engine,
      new RegExp(`partition 0 of "${broken}" for the group "${group}" .* cannot be read: .*Snappy`),
    );
    await engine.publish({ topic: whole, payload: 'other' });
    await until('the other topic', () => seen.includes('other'));
    const before = kafkajs.CompressionCodecs[kafkajs.CompressionTypes.Snappy];
    kafkajs.CompressionCodecs[kafkajs.CompressionTypes.Snappy] = snappy;
    onTestFinished(() => void (kafkajs.CompressionCodecs[kafkajs.CompressionTypes.Snappy] = before));
    await until('what is compressed', () => seen.includes('compressed'));
    await untilUp(engine);
  });

  test('is up if a codec is registered only with the given client', async () => {
    const topic = newName();
    await createTopics(topic);
    const client = kafkaWithSnappy();
    const engine = await startEngine({ client });
    const seen: unknown[] = [];
    await engine.subscribe(topic, ({ payload }) => void seen.push(payload));
    await sendCompressed(client, topic, '"compressed"');
    await engine.publish({ topic, payload: 'after' });
    await until('both', () => seen.length === 2);
    expect(seen).toEqual(['compressed', 'after']);
  });

  test('names a group that waits for the handler of another member in a rebalance', async () => {
    const [topic, group] = [newName('t'), newName('g')];
    const options = { brokers: list, stallLimitMs: 300, rebalanceTimeoutMs: 60_000, numPartitions: 2 };
    const [waiting, hanging, joining] = [
      await startEngine(options),
      await startEngine(options),
      await startEngine(options),
    ];
    let release!: () => void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const seen: unknown[] = [];
    let isHanging = false;
    await waiting.subscribe(topic, ({ payload }) => void seen.push(payload), { group });
    await hanging.subscribe(topic, () => ((isHanging = true), gate), { group });
    await until('a handler that hangs', async () => {
      await waiting.publish({ topic, payload: 1, key: newName('k') });
      return isHanging;
    });
    const joined = joining.subscribe(topic, () => {}, { group });
    await untilDegraded(waiting, new RegExp(`the group "${group}" .* waits for a rebalance to end`));
    release();
    await joined;
    await untilUp(waiting);
  });

  test('names an open transaction; the records that it held back are read after it', async () => {
    const topic = newName();
    await createTopics(topic);
    const engine = await startEngine({ brokers: list, stallLimitMs: 300 });
    const seen: unknown[] = [];
    await engine.subscribe(topic, ({ payload }) => void seen.push(payload));
    const producer = plainKafka(list).producer({
      transactionalId: newName('tx'),
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.connect();
    onTestFinished(() => producer.disconnect());
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value: '1' }] });
    await engine.publish({ topic, payload: 2 });
    await untilDegraded(engine, /an open transaction/);
    expect(seen).toEqual([]);
    await transaction.commit();
    await until('both', () => seen.length === 2);
    await untilUp(engine);
  });

  test('names a broker that answers no fetch, and a broker that answers no publish', async () => {
    const proxy = await CuttingProxy.start(broker);
    const [topic, idle] = [newName(), newName('idle')];
    await createTopics(idle);
    // A publish rejects at its timeout, and the connection is replaced.
    const limit = library === 'kafkajs' ? {} : { publishTimeoutMs: 4000 };
    const config = { ...proxy.config({ requestTimeout: 4000 }), ...limit };
    const engine = await startEngine({ ...config, stallLimitMs: 300, numPartitions: 1 });
    const seen: unknown[] = [];
    // An idle topic too, because it is unknown whether it has new events.
    await engine.subscribe(idle, () => {});
    await engine.subscribe(topic, ({ payload }) => void seen.push(payload));
    await engine.publish({ topic, payload: 1 });
    await until('the first', () => seen.length === 1);
    await untilUp(engine);
    proxy.freeze(apiKeys.fetch);
    await untilDegraded(engine, new RegExp(`"${idle}" .* gives no answer`));
    await untilUp(engine);
    proxy.freeze(apiKeys.produce);
    const publishing = engine.publish({ topic, payload: 2 });
    await untilDegraded(engine, /publishing has made no progress for \d+ ms: 1 events wait to be accepted/);
    await publishing.catch(() => engine.publish({ topic, payload: 2 }));
    await until('the second', () => seen.includes(2));
    await untilUp(engine);
  });

  test('names a group whose offsets cannot be committed', async () => {
    const proxy = await CuttingProxy.start(broker);
    const [topic, group] = [newName(), newName('g')];
    const engine = await startEngine({ ...proxy.config(), stallLimitMs: 300, numPartitions: 1 });
    let count = 0;
    await engine.subscribe(topic, () => void count++, { group });
    await engine.publish({ topic, payload: 1 });
    await until('the event', () => count === 1);
    const reason = `committing for the group "${group}" has made no progress`;
    await until('health to say so', async () => {
      proxy.cut = { apiKey: apiKeys.offsetCommit, bytes: 0 };
      const { status, error } = await engine.health();
      return status === 'degraded' && error?.includes(reason) === true;
    });
    proxy.cut = undefined;
    await untilUp(engine);
  });
});
