import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { Kafka, logLevel, type KafkaConfig } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { kafkaTool, startKafka, waitFor, type KafkaBroker } from '../src/index.ts';
import { describeWithBroker } from '../src/vitest/vitest.ts';
import { markThisProcess } from './support/leftovers.ts';
import { startLoad } from './support/load.ts';

const user = { username: 'alice', password: 'wonderland' };

function kafkaClient(config: KafkaConfig): Kafka {
  return new Kafka({ logLevel: logLevel.NOTHING, retry: { retries: 0 }, ...config });
}

async function createTopic(kafka: Kafka, topic: string): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
  } finally {
    await admin.disconnect();
  }
}

async function connectProducer(kafka: Kafka): Promise<(topic: string, value: string) => Promise<unknown>> {
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  return (topic, value) => producer.send({ topic, acks: -1, timeout: 2_000, messages: [{ value }] });
}

/** Reads a topic with a consumer group from the beginning until all values of `expected` have arrived. */
async function consume(kafka: Kafka, topic: string, expected: readonly string[]): Promise<readonly string[]> {
  const consumer = kafka.consumer({ groupId: randomUUID(), maxWaitTimeInMs: 200 });
  const values: string[] = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message }) => {
        values.push(message.value?.toString() ?? '');
        return Promise.resolve();
      },
    });
    await waitFor('all records', () => expected.every((value) => values.includes(value)), {
      timeoutMs: 15_000,
    });
    return values;
  } finally {
    await consumer.disconnect();
  }
}

describeWithBroker('kafka', 'a Kafka broker of the run', ({ brokers }) => {
  test('stores records and delivers them to a consumer group', async () => {
    const kafka = kafkaClient({ brokers: [...brokers] });
    const topic = `testbed-${randomUUID()}`;
    await createTopic(kafka, topic);
    const send = await connectProducer(kafka);
    await send(topic, 'one');
    await send(topic, 'two');
    expect(await consume(kafka, topic, ['two'])).toEqual(['one', 'two']);
  });

  test('does not create topics automatically', async () => {
    const send = await connectProducer(kafkaClient({ brokers: [...brokers] }));
    await expect(send(`testbed-${randomUUID()}`, 'lost')).rejects.toThrow(
      'does not host this topic-partition',
    );
  });

  test("works with Kafka's own tools", async () => {
    const kafka = kafkaClient({ brokers: [...brokers] });
    const topic = `testbed-${randomUUID()}`;
    await createTopic(kafka, topic);
    const send = await connectProducer(kafka);
    await send(topic, 'for another');
    const { command, args } = await kafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer');
    const reading = ['--topic', topic, '--from-beginning', '--max-messages', '1', '--timeout-ms', '20000'];
    const { stdout } = await promisify(execFile)(command, [
      ...args,
      '--bootstrap-server',
      brokers[0] ?? '',
      ...reading,
    ]);
    expect(stdout.trim()).toBe('for another');
  });
});

describeWithBroker('kafka', 'a separate Kafka broker', () => {
  const traces = markThisProcess();
  let broker: KafkaBroker;
  const connect = (): Kafka => kafkaClient({ brokers: [...broker.brokers] });
  beforeAll(async () => {
    broker = await startKafka({
      controllable: true,
      listeners: [
        { name: 'SECURE', protocol: 'SASL_PLAINTEXT' },
        { name: 'PROXIED', protocol: 'PLAINTEXT', advertised: '127.0.0.1:1' },
      ],
      scramUsers: [{ mechanism: 'SCRAM-SHA-256', name: user.username, password: user.password }],
      config: {
        'message.max.bytes': '2000',
        'listener.name.secure.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256',
        'listener.name.secure.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_${user.username}="${user.password}";`,
        'listener.name.secure.scram-sha-256.sasl.jaas.config':
          'org.apache.kafka.common.security.scram.ScramLoginModule required;',
      },
    });
  });
  afterAll(async () => {
    await broker.stop();
    traces.clear();
  });

  test('answers at a listener, and advertises the address of the proxy in front of it', async () => {
    const admin = kafkaClient({ brokers: [broker.listeners['PROXIED'] ?? ''] }).admin();
    await admin.connect();
    onTestFinished(() => admin.disconnect());
    // The client then connects to the advertised address.
    await expect(admin.describeCluster()).rejects.toThrow('ECONNREFUSED 127.0.0.1:1');
  });

  describe.each(['plain', 'scram-sha-256'] as const)('with a listener for %s', (mechanism) => {
    const secure = (password: string): Kafka =>
      kafkaClient({
        brokers: [broker.listeners['SECURE'] ?? ''],
        sasl: { mechanism: mechanism as 'plain', username: user.username, password },
      });

    test('accepts clients that know the password', async () => {
      const topic = `secure-${mechanism}`;
      await createTopic(connect(), topic);
      const send = await connectProducer(secure(user.password));
      await send(topic, 'secret');
      expect(await consume(connect(), topic, ['secret'])).toEqual(['secret']);
    });

    test('refuses other clients', async () => {
      await expect(connectProducer(secure('wrong'))).rejects.toThrow(/authentication failed/i);
    });
  });

  test('has the requested settings', async () => {
    await createTopic(connect(), 'small');
    const send = await connectProducer(connect());
    await expect(send('small', 'x'.repeat(3_000))).rejects.toThrow('larger than the max message size');
  });

  test('has every confirmed record after a restart under load', { timeout: 60_000 }, async () => {
    await createTopic(connect(), 'load');
    const send = await connectProducer(connect());
    const load = startLoad((value) => send('load', value));
    await waitFor('some load', () => load.confirmed.length > 100, { timeoutMs: 10_000 });
    await broker.restart();
    const before = load.confirmed.length;
    await waitFor('load after the restart', () => load.confirmed.length > before + 100, {
      timeoutMs: 20_000,
    });
    await load.stop();
    expect(await consume(connect(), 'load', load.confirmed)).toEqual(
      expect.arrayContaining([...load.confirmed]),
    );
    expect(load.failures).toBeGreaterThan(0);
  });

  test('does not answer while it is paused, and answers after it is resumed', async () => {
    await createTopic(connect(), 'paused');
    const send = await connectProducer(kafkaClient({ brokers: [...broker.brokers], requestTimeout: 1_000 }));
    await broker.pause();
    await expect(send('paused', 'unheard')).rejects.toThrow(/timed out/i);
    await broker.resume();
    await waitFor('an answer', () => send('paused', 'heard'), { timeoutMs: 15_000 });
  });

  test('has the same address and data after a kill and a restart', { timeout: 60_000 }, async () => {
    await createTopic(connect(), 'kept');
    const send = await connectProducer(connect());
    await send('kept', 'yes');
    await broker.kill();
    await expect(connectProducer(connect())).rejects.toThrow('ECONNREFUSED');
    await broker.restart();
    expect(await consume(connect(), 'kept', ['yes'])).toEqual(['yes']);
  });

  test('leaves nothing behind after a stop', async () => {
    const ports = [...broker.brokers, ...Object.values(broker.listeners)].map((address) =>
      Number(address.split(':')[1]),
    );
    await broker.stop();
    expect(await traces.gone(ports)).toEqual([]);
  });
});
