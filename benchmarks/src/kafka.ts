import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { PolybusError } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { type ClientLibrary, kafkaEngine } from '@polybus/engine-kafka';
import { startKafka } from '@polybus/testbed';
import { type Comparison, type Sample, type Target, type Unit, median } from './harness/compare.ts';
import { user as payload } from './harness/payloads.ts';
import { runBenchmark } from './harness/report.ts';
import { type Side, byHand, kafkajsClient, maxWaitMs, platformatic } from './kafka-clients.ts';

/**
 * Compares the Kafka engine with kafkajs used by hand, which does the same work in the same run: it creates events of the same payload,
 * encodes them as CloudEvents, sends, receives, and decodes them. In addition, the engine keeps a queue per subscription, counts, and
 * commits settled events.
 *
 * By hand, the producer sends the events of one turn of the event loop with one `sendBatch`, as the engine does, because a `send` per
 * event would be much slower. `@platformatic/kafka` is used by hand in the same way, and by a second engine.
 */
const inFlight = 1000;
const events = 50_000;
/** Number of events that each contender reads from a shared topic: enough that the start of a round does not affect the result. */
const eventsToRead = 200_000;
/** Latency is measured in many short rounds, so that other work of the machine affects all contenders alike. */
const latencyRounds = 20;
const pings = 200;
const partitions = 4;
const keys = Array.from({ length: 64 }, (_, n) => `key-${n}`);

type Make = () => Promise<Side>;
type Measure = (side: Side, topic: string) => Promise<number>;

const broker = await startKafka();
const brokers = [...broker.brokers];

async function createTopic(topic: string): Promise<void> {
  const admin = kafkajsClient(brokers).admin();
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
  const admin = kafkajsClient(brokers).admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
}

function engineSide({
  group,
  bufferSize = eventsToRead,
  client = 'kafkajs',
}: { group?: string; bufferSize?: number | null; client?: ClientLibrary } = {}): Make {
  return async () => {
    const engine: Engine = kafkaEngine({
      client,
      brokers,
      numPartitions: partitions,
      fetchMaxWaitMs: maxWaitMs,
    });
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
  const side = await byHand(brokers);
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

const peers = { kafkajs: () => byHand(brokers), '@platformatic/kafka': () => platformatic(brokers) };
const grouped = 'polybus, in a group';
const second = "polybus, client 'platformatic'";
const secondGrouped = `${second}, in a group`;

try {
  const client = 'platformatic';
  const alone = { polybus: engineSide(), ...peers, [second]: engineSide({ client }) };
  const all = {
    ...alone,
    [grouped]: engineSide({ group: 'g' }),
    [secondGrouped]: engineSide({ group: 'g', client }),
  };
  const buffered = { ...all, 'polybus, its own buffer': engineSide({ bufferSize: null }) };
  const best = Object.keys(peers).map((peer) => ({ peer, ratio: 1 }));
  const ofSecond = (of: string): Target => ({ of, peer: '@platformatic/kafka', ratio: 1 });
  await withTopic(async (topic) => {
    await fill(topic);
    const comparisons = [
      comparison(`Publish, ${inFlight} in flight`, 'events/s', alone, publishing, {
        targets: [...best, ofSecond(second)],
      }),
      comparison('Consume', 'events/s', buffered, consuming, {
        topic,
        targets: [
          ...best,
          ...best.map((target) => ({ ...target, of: grouped })),
          ofSecond(second),
          ofSecond(secondGrouped),
        ],
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
