import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Consumer, type Message as PlatformaticMessage, Producer } from '@platformatic/kafka';
import { PolybusError } from '@polybus/core';
import { decodeStructured, encodeStructured } from '@polybus/core/cloudevents';
import { type Engine, createEvent } from '@polybus/core/engine';
import { kafkaEngine } from '@polybus/engine-kafka';
import { startKafka } from '@polybus/testbed';
import kafkajs from 'kafkajs';
import type { Message } from 'kafkajs';
import { type Comparison, type Sample, type Target, type Unit, median } from './harness/compare.ts';
import { runBenchmark } from './harness/report.ts';

/**
 * Compares the Kafka engine with kafkajs used by hand, which does the same work in the same run: it creates events of the same payload,
 * encodes them as CloudEvents, sends, receives, and decodes them. In addition, the engine keeps a queue per subscription, counts, and
 * commits settled events.
 *
 * By hand, the producer sends the events of one turn of the event loop with one `sendBatch`, as the engine does, because a `send` per
 * event would be much slower. `@platformatic/kafka` is there for reference, by hand in the same way.
 */
const payload = {
  id: 'u-1',
  name: 'Ada',
  roles: ['admin', 'author'],
  address: { city: 'London', zip: 'N1' },
};
const inFlight = 1000;
const events = 50_000;
/** Number of events that each contender reads from a shared topic: enough that the start of a round does not affect the result. */
const eventsToRead = 200_000;
/** Latency is measured in many short rounds, so that other work of the machine affects all contenders alike. */
const latencyRounds = 20;
const pings = 200;
const source = 'bench';
const partitions = 4;
const maxWaitMs = 250;
const contentType = 'application/cloudevents+json';
const keys = Array.from({ length: 64 }, (_, n) => `key-${n}`);

interface Side {
  publish(topic: string, key: string): Promise<unknown>;
  /** Calls back for each decoded event, including events that were published before the call. */
  listen(topic: string, onEvent: () => void): Promise<void>;
  close(): Promise<unknown>;
}

type Make = () => Promise<Side>;
type Measure = (side: Side, topic: string) => Promise<number>;

const broker = await startKafka();
const brokers = [...broker.brokers];

function kafka(): InstanceType<typeof kafkajs.Kafka> {
  return new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING });
}

async function createTopic(topic: string): Promise<void> {
  const admin = kafka().admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: false });
  // kafkajs's own wait for leaders fails if a busy broker does not know the topic yet.
  const isLed = (): Promise<boolean> =>
    admin.fetchTopicOffsets(topic).then(
      (offsets) => offsets.length === partitions,
      () => false,
    );
  while (!(await isLed())) await pause(50);
  await admin.disconnect();
}

async function deleteTopic(topic: string): Promise<void> {
  const admin = kafka().admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
}

/** Collects the events of one turn of the event loop. Sends the next batch after the answer to the previous batch. */
class Batches<T> {
  readonly #send: (topic: string, messages: T[]) => Promise<unknown>;
  #waiting: { message: T; resolve: () => void }[] = [];
  #isSending = false;

  constructor(send: (topic: string, messages: T[]) => Promise<unknown>) {
    this.#send = send;
  }

  add(topic: string, message: T): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ message, resolve });
      if (!this.#isSending) {
        this.#isSending = true;
        queueMicrotask(() => void this.#flush(topic));
      }
    });
  }

  async #flush(topic: string): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#send(
        topic,
        batch.map(({ message }) => message),
      );
      for (const { resolve } of batch) resolve();
    }
    this.#isSending = false;
  }
}

async function byHand(): Promise<Side> {
  const client = kafka();
  const producer = client.producer({
    allowAutoTopicCreation: false,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  const consumer = client.consumer({ groupId: `bench-${randomUUID()}`, maxWaitTimeInMs: maxWaitMs });
  const batches = new Batches<Message>((topic, messages) =>
    producer.sendBatch({ acks: -1, topicMessages: [{ topic, messages }] }),
  );
  return {
    publish: (topic, key) => {
      const value = encodeStructured(createEvent({ topic, payload, key }), { source });
      return batches.add(topic, { key, value, headers: { 'content-type': contentType } });
    },
    listen: async (topic, onEvent) => {
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      const { GROUP_JOIN } = consumer.events;
      const joined = new Promise<unknown>(
        (resolve) => void consumer.on(GROUP_JOIN, (event) => resolve(event)),
      );
      await consumer.run({
        autoCommitInterval: 1000,
        autoCommitThreshold: 1000,
        eachBatch: (given) => {
          for (const message of given.batch.messages) {
            decodeStructured(message.value!.toString(), { topic });
            onEvent();
            given.resolveOffset(message.offset);
          }
          return Promise.resolve();
        },
      });
      await joined;
    },
    close: async () => Promise.all([producer.disconnect(), consumer.disconnect()]),
  };
}

async function platformatic(): Promise<Side> {
  const client = { clientId: 'bench', bootstrapBrokers: brokers };
  const producer = new Producer<string, string, string, string>({
    ...client,
    serializers: { key: toBytes, value: toBytes, headerKey: toBytes, headerValue: toBytes },
  });
  const consumer = new Consumer({ ...client, groupId: `bench-${randomUUID()}` });
  const batches = new Batches<{ topic: string; key: string; value: string; headers: Record<string, string> }>(
    (_, messages) => producer.send({ acks: -1, messages }),
  );
  // The stream has to be closed before the consumer.
  const streams: { close(): Promise<void> }[] = [];
  return {
    publish: (topic, key) => {
      const value = encodeStructured(createEvent({ topic, payload, key }), { source });
      return batches.add(topic, { topic, key, value, headers: { 'content-type': contentType } });
    },
    listen: async (topic, onEvent) => {
      const stream = await consumer.consume({
        topics: [topic],
        mode: 'earliest',
        autocommit: 1000,
        maxWaitTime: maxWaitMs,
        highWaterMark: 1024,
      });
      streams.push(stream);
      stream.on('data', ({ value }: PlatformaticMessage<Buffer, Buffer, Buffer, Buffer>) => {
        decodeStructured(value.toString(), { topic });
        onEvent();
      });
    },
    close: async () => {
      for (const stream of streams) await stream.close();
      await Promise.all([producer.close(), consumer.close()]);
    },
  };
}

function toBytes(text: string | undefined): Buffer | undefined {
  return text === undefined ? undefined : Buffer.from(text);
}

function engineSide({
  group,
  bufferSize = eventsToRead,
}: { group?: string; bufferSize?: number | null } = {}): Make {
  return async () => {
    const engine: Engine = kafkaEngine({ brokers, numPartitions: partitions, fetchMaxWaitMs: maxWaitMs });
    await engine.start();
    return {
      publish: (topic, key) => engine.publish({ topic, payload, key }),
      listen: async (topic, onEvent) =>
        void (await engine.subscribe(topic, onEvent, {
          // Room for all events, except if the benchmark measures full buffers.
          ...(bufferSize === null ? {} : { bufferSize }),
          from: 'earliest',
          group: group && `${group}-${randomUUID()}`,
        })),
      close: () => engine.stop(),
    };
  };
}

let topics = 0;
const now = (): number => performance.now();

async function publishAll(side: Side, topic: string, count: number): Promise<void> {
  let left = count;
  const work = async (): Promise<void> => {
    while (left-- > 0) await side.publish(topic, keys[left % keys.length] ?? '');
  };
  await Promise.all(Array.from({ length: inFlight }, work));
}

/** Accepted events per second. */
async function publishing(side: Side, topic: string): Promise<number> {
  await publishAll(side, topic, 2000);
  const since = now();
  await publishAll(side, topic, events);
  return (events / (now() - since)) * 1000;
}

/** Events per second that are read from a filled topic. */
async function consuming(side: Side, topic: string): Promise<number> {
  let seen = 0;
  let first = 0;
  let done!: (rate: number) => void;
  const rate = new Promise<number>((resolve) => (done = resolve));
  // Starts at the first event, so that the time to form a group does not count.
  await side.listen(topic, () => {
    if (seen++ === 0) first = now();
    if (seen === eventsToRead) done((eventsToRead / (now() - first)) * 1000);
  });
  return rate;
}

/** The median of microseconds from a publish to its arrival, one event at a time. */
async function latency(side: Side, topic: string): Promise<number> {
  let onEvent = (): void => {};
  await side.listen(topic, () => onEvent());
  const times: number[] = [];
  for (let n = 0; n < pings; n++) {
    const since = now();
    const arrived = new Promise<void>((resolve) => (onEvent = resolve));
    await Promise.all([side.publish(topic, 'key'), arrived]);
    times.push((now() - since) * 1000);
  }
  return median(times.slice(pings / 10));
}

async function withTopic<T>(work: (topic: string) => Promise<T>): Promise<T> {
  const topic = `bench.t${topics++}`;
  await createTopic(topic);
  try {
    return await work(topic);
  } finally {
    await deleteTopic(topic);
  }
}

async function once(make: Make, measure: Measure, topic: string | undefined): Promise<number> {
  const measureAt = async (at: string): Promise<number> => {
    const side = await make();
    try {
      return await measure(side, at);
    } finally {
      await side.close();
    }
  };
  return topic === undefined ? withTopic(measureAt) : measureAt(topic);
}

/** Fills a topic with events to read. */
async function fill(topic: string): Promise<void> {
  const side = await byHand();
  await publishAll(side, topic, eventsToRead);
  await side.close();
}

interface More {
  readonly rounds?: number;
  /** The topic that all contenders use. Default: a new one for each measurement. */
  readonly topic?: string;
  readonly targets?: readonly Target[];
}

function comparison(
  title: string,
  unit: Unit,
  sides: Readonly<Record<string, Make>>,
  measure: Measure,
  { topic, ...more }: More,
): Comparison {
  const samples = Object.entries(sides).map(([name, make]): [string, Sample] => [
    name,
    () => once(make, measure, topic),
  ]);
  return { title, unit, contenders: Object.fromEntries(samples), ...more };
}

const peers = { kafkajs: byHand, '@platformatic/kafka': platformatic };
const grouped = 'polybus, in a group';

try {
  const alone = { polybus: engineSide(), ...peers };
  const all = { ...alone, [grouped]: engineSide({ group: 'g' }) };
  const buffered = { ...all, 'polybus, its own buffer': engineSide({ bufferSize: null }) };
  const best = Object.keys(peers).map((peer) => ({ peer, ratio: 1 }));
  await withTopic(async (topic) => {
    await fill(topic);
    const comparisons = [
      comparison(`Publish, ${inFlight} in flight`, 'events/s', alone, publishing, { targets: best }),
      comparison('Consume', 'events/s', buffered, consuming, {
        topic,
        targets: [...best, ...best.map((target) => ({ ...target, of: grouped }))],
      }),
      comparison('p50 until handled, one after the other', 'µs', all, latency, {
        rounds: latencyRounds,
        targets: [{ peer: 'kafkajs', ratio: 1.2 }],
      }),
    ];
    await runBenchmark('kafka', Object.keys(peers), comparisons, { Kafka: broker.version });
  });
} catch (error) {
  console.error(PolybusError.is(error) ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
} finally {
  await broker.stop();
}
