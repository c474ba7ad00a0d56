import { setImmediate } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { describeWithBroker } from '@polybus/testbed/vitest';
import kafkajs, { type Consumer, type Kafka, type RequestEvent } from 'kafkajs';
import snappy from 'kafkajs-snappy';
import { expect, onTestFinished, test } from 'vitest';
import { ownKafka } from '../read/foreign.ts';
import { adminOf, newName, plainKafka, startEngine, until } from '../support.ts';

/** A `Kafka` whose connections report their produce requests. */
function observed(kafka: Kafka, onProduce: (event: RequestEvent) => void): Kafka {
  const consumer = kafka.consumer.bind(kafka);
  kafka.consumer = (config): Consumer => {
    const made = consumer(config);
    made.on(made.events.REQUEST, (event) => {
      if (event.payload.apiName === 'Produce') onProduce(event);
    });
    return made;
  };
  return kafka;
}

describeWithBroker('kafka', 'publishing', async () => {
  const { brokers } = await ownKafka({
    config: { 'message.max.bytes': '20000', 'socket.request.max.bytes': '1000000' },
  });

  test('events of one event-loop turn are sent in one request, and so are the events of a linger window', async () => {
    const [first, second] = [newName('a'), newName('b')];
    const requests: RequestEvent[] = [];
    const client = observed(plainKafka(brokers), (event) => requests.push(event));
    for (const lingerMs of [0, 50]) {
      const engine = await startEngine({ client, numPartitions: 3, lingerMs });
      for (const topic of [first, second]) await engine.publish({ topic, payload: 'it is there now' });
      // In a turn of its own: what gathers while a request ends leaves with the next, linger window or not.
      await setImmediate();
      requests.length = 0;
      const publish = (n: number): Promise<void> =>
        engine.publish({ topic: n % 2 === 0 ? first : second, payload: n, key: `key-${n % 5}` });
      const publishing = Array.from({ length: 50 }, (_, n) => publish(n));
      // Later turns, which a linger window spans.
      const later = lingerMs > 0 ? 10 : 0;
      for (let n = 50; n < 50 + later; n++) {
        await Promise.resolve();
        publishing.push(publish(n));
      }
      await Promise.all(publishing);
      expect(requests.length).toBe(1);
      await engine.stop();
    }
  });

  test('a given client is used, and can be used after the engine has stopped', async () => {
    const client = plainKafka(brokers);
    const topic = newName();
    const engine = await startEngine({ client });
    const seen: unknown[] = [];
    await engine.subscribe(topic, ({ payload }) => void seen.push(payload));
    await engine.publish({ topic, payload: 1 });
    await until('the event', () => seen.length === 1);
    await engine.stop();
    const admin = client.admin();
    await admin.connect();
    expect(await admin.listTopics()).toContain(topic);
    await admin.disconnect();
  });

  test('an event that is too large is refused with its size and the limit; other events of its batch are accepted', async () => {
    const topic = newName();
    const engine = await startEngine({ brokers, numPartitions: 2 });
    const seen = new Set<unknown>();
    await engine.subscribe<{ n: number }>(topic, ({ payload }) => void seen.add(payload.n), {
      bufferSize: 1000,
    });
    // Together they are larger than one batch may be, too.
    const text = 'x'.repeat(3000);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) =>
        engine.publish({
          topic,
          payload: { n, text: n === 7 ? 'x'.repeat(50_000) : text },
          key: `key-${n % 3}`,
        }),
      ),
    );
    const refused = outcomes.flatMap((one, n) => (one.status === 'rejected' ? [[n, one.reason]] : []));
    expect(refused).toEqual([
      [7, expect.objectContaining({ code: 'RECORD_TOO_LARGE', topic, limit: 20_000, engine: 'kafka' })],
    ]);
    expect(refused).toEqual([[7, expect.objectContaining({ size: expect.any(Number) })]]);
    await engine.publish({ topic, payload: { n: 20 } });
    await until('the others', () => seen.size === 20);
    expect(seen.has(7)).toBe(false);
  });

  test('events that were accepted beside a refused event are stored once, in its topic and in others', async () => {
    const topics = [newName('a'), newName('b')];
    const engine = await startEngine({ brokers, numPartitions: 3 });
    for (const topic of topics) await engine.publish({ topic, payload: 'it is there now', key: 'none' });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, n) => {
        const payload = n === 1 ? 'x'.repeat(50_000) : n;
        return engine.publish({ topic: topics[n % 2] ?? '', payload, key: `key-${n % 7}` });
      }),
    );
    expect(outcomes.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([1]);
    const admin = await adminOf(brokers);
    const counts: number[] = [];
    for (const topic of topics) {
      const offsets = await admin.fetchTopicOffsets(topic);
      counts.push(offsets.reduce((sum, { offset }) => sum + Number(offset), 0));
    }
    expect(counts).toEqual([16, 15]);
  });

  test('an event that is larger than the request limit of a broker is refused, and holds up no other event', async () => {
    const [topic, other] = [newName(), newName('other')];
    const engine = await startEngine({ brokers });
    for (const name of [topic, other]) await engine.publish({ topic: name, payload: 'it is known now' });
    const huge = engine.publish({ topic, payload: 'x'.repeat(2_000_000) });
    const outcome = huge.then(
      () => 'accepted',
      (error: { code: string }) => error.code,
    );
    for (let n = 0; n < 20; n++) await engine.publish({ topic: other, payload: n });
    expect(await outcome).toBe('RECORD_TOO_LARGE');
  });

  test('a batch does not exceed the request limit of the brokers (socket.request.max.bytes)', async () => {
    const [topic, admin] = [newName(), await adminOf(brokers)];
    const configEntries = [{ name: 'max.message.bytes', value: '5000000' }];
    await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }] });
    const engine = await startEngine({ brokers, publishTimeoutMs: 5000 });
    const payload = 'x'.repeat(300_000);
    await Promise.all(Array.from({ length: 10 }, () => engine.publish({ topic, payload })));
    const huge = engine.publish({ topic, payload: 'x'.repeat(1_500_000) });
    await expect(huge).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE', limit: 1_000_000 - 1024 });
  });

  test('an event is accepted after the limit of its topic is raised', async () => {
    const topic = newName();
    const engine = await startEngine({ brokers });
    const large = { topic, payload: 'x'.repeat(50_000) };
    await expect(engine.publish(large)).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE', limit: 20_000 });
    const admin = await adminOf(brokers);
    const configEntries = [{ name: 'max.message.bytes', value: '100000' }];
    const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configEntries }];
    await admin.alterConfigs({ validateOnly: false, resources });
    await until('the broker to take it', () =>
      engine.publish(large).then(
        () => true,
        () => false,
      ),
    );
  });

  test('an event without a key is refused by a compacted topic; other events of its batch are accepted', async () => {
    const topic = newName();
    const admin = await adminOf(brokers);
    const configEntries = [{ name: 'cleanup.policy', value: 'compact' }];
    await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1, configEntries }] });
    const engine = await startEngine({ brokers });
    await engine.publish({ topic, payload: 'it is known now', key: 'a' });
    const keys = ['a', 'b', undefined, 'a', 'c', undefined];
    const outcomes = await Promise.allSettled(
      keys.map((key, n) => engine.publish({ topic, payload: n, ...(key === undefined ? {} : { key }) })),
    );
    expect(outcomes.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([2, 5]);
    expect(outcomes[2]).toMatchObject({
      reason: { code: 'PUBLISH_FAILED', message: expect.stringContaining('with a key') },
    });
    const seen: unknown[] = [];
    await engine.subscribe(topic, ({ payload }) => void seen.push(payload), { from: 'earliest' });
    await until('those that were accepted', () => seen.length === 5);
    expect(seen).toEqual(['it is known now', 0, 1, 3, 4]);
  });

  test('an event is refused if the clock is too far ahead, and its error says so', async () => {
    const topic = newName();
    const engine = await startEngine({ brokers });
    await engine.publish({ topic, payload: 1 });
    const now = Date.now.bind(Date);
    Date.now = () => now() + 7_200_000;
    onTestFinished(() => void (Date.now = now));
    await expect(engine.publish({ topic, payload: 2 })).rejects.toMatchObject({
      code: 'PUBLISH_FAILED',
      message: expect.stringMatching(/timestamp.* correct the clock/),
    });
  });

  test('the limit applies to the compressed batch, so a larger event fits with compression', async () => {
    const topic = newName();
    const engine = await startEngine({ brokers, compression: 'gzip' });
    const text = 'x'.repeat(50_000);
    expect(gzipSync(text).length).toBeLessThan(20_000);
    const seen: unknown[] = [];
    await engine.subscribe(topic, ({ payload }) => void seen.push(payload));
    await engine.publish({ topic, payload: text });
    await until('the event', () => seen.length === 1);
    expect(seen).toEqual([text]);
  });

  test('a codec that is registered with kafkajs compresses published events, and decompresses them', async () => {
    const { CompressionCodecs, CompressionTypes } = kafkajs;
    const before = CompressionCodecs[CompressionTypes.Snappy];
    CompressionCodecs[CompressionTypes.Snappy] = snappy;
    onTestFinished(() => void (CompressionCodecs[CompressionTypes.Snappy] = before));
    const topic = newName();
    const engine = await startEngine({ brokers, compression: 'snappy' });
    const seen: unknown[] = [];
    await engine.subscribe(topic, ({ payload }) => void seen.push(payload));
    // More than a batch may have: the broker has it compressed.
    const text = 'x'.repeat(50_000);
    await engine.publish({ topic, payload: text });
    await until('the event', () => seen.length === 1);
    expect(seen).toEqual([text]);
  });

  test('a compression without a registered codec is refused with a typed error', async () => {
    const topic = newName();
    const engine = await startEngine({ client: 'kafkajs', brokers, compression: 'zstd' });
    await expect(engine.publish({ topic, payload: 1 })).rejects.toMatchObject({
      code: 'PUBLISH_FAILED',
      topic,
      message: expect.stringMatching(/zstd compression/i),
    });
  });

  test.each([
    ['idempotent', { idempotent: true }],
    ['acks 1', { acks: 1 }],
    ['acks 0', { acks: 0 }],
    [
      "the Go module's map",
      { producer: { acks: 'all', 'compression.type': 'gzip', 'enable.idempotence': 'true' } },
    ],
  ] as const)('events arrive in order with %s', async (_, config) => {
    const topic = newName();
    const engine = await startEngine({ brokers, ...config });
    const seen: unknown[] = [];
    await engine.subscribe(topic, ({ payload }) => void seen.push(payload), { bufferSize: 1000 });
    const numbers = Array.from({ length: 300 }, (_, n) => n);
    await Promise.all(numbers.map((n) => engine.publish({ topic, payload: n, key: 'one' })));
    await until('all events', () => seen.length === 300);
    expect(seen).toEqual(numbers);
  });

  test('events without a key keep their order on one partition, or are spread over all partitions if they need no order', async () => {
    const admin = await adminOf(brokers);
    const used = async (keyless: 'ordered' | 'spread'): Promise<number> => {
      const topic = newName();
      const engine = await startEngine({ brokers, keyless, numPartitions: 4 });
      for (let n = 0; n < 40; n++) await engine.publish({ topic, payload: n });
      const offsets = await admin.fetchTopicOffsets(topic);
      return offsets.filter(({ offset }) => Number(offset) > 0).length;
    };
    expect(await used('ordered')).toBe(1);
    expect(await used('spread')).toBeGreaterThan(1);
  });

  test('events that the broker rejects temporarily delay only later events of their keys, and arrive once and in order', async () => {
    const [topic, other, admin] = [newName(), newName('other'), await adminOf(brokers)];
    const replicas = (value: string) => [{ name: 'min.insync.replicas', value }];
    // More than there are: the broker accepts nothing for now.
    await admin.createTopics({ topics: [{ topic, numPartitions: 2, configEntries: replicas('2') }] });
    const engine = await startEngine({ brokers, publishTimeoutMs: 60_000 });
    const seen: number[] = [];
    await engine.subscribe<number>(topic, ({ payload }) => void seen.push(payload));
    await engine.publish({ topic: other, payload: 0 });
    const waiting: Promise<void>[] = [];
    for (let n = 0; n < 20; n++) {
      waiting.push(engine.publish({ topic, payload: n, key: `key-${n % 2}` }));
      // Those of the other topic are accepted one after the other meanwhile.
      await engine.publish({ topic: other, payload: n });
    }
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configEntries: replicas('1') }],
    });
    await Promise.all(waiting);
    await until('all of them', () => seen.length >= 20);
    for (const parity of [0, 1]) {
      const ofKey = Array.from({ length: 10 }, (_, n) => 2 * n + parity);
      expect(seen.filter((n) => n % 2 === parity)).toEqual(ofKey);
    }
  });

  test('events of a key go to the same partition as with the Java client: murmur2 of the key', async () => {
    const [topic, admin] = [newName(), await adminOf(brokers)];
    const engine = await startEngine({ brokers, numPartitions: 3 });
    // What org.apache.kafka.common.utils.Utils.murmur2 gives for these keys, modulo 3.
    for (const key of ['21', 'foobar', 'a-little-bit-long-string'])
      await engine.publish({ topic, payload: 1, key });
    const java = [-973932308, -790332482, -985981536].map((hash) => (hash & 0x7fffffff) % 3);
    const offsets = await admin.fetchTopicOffsets(topic);
    for (const { partition, offset } of offsets) {
      expect(Number(offset)).toBe(java.filter((one) => one === partition).length);
    }
  });
});
