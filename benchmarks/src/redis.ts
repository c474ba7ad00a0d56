import { setTimeout } from 'node:timers/promises';
import { PolybusError } from '@polybus/core';
import { decodeStructured, encodeStructured } from '@polybus/core/cloudevents';
import { type Engine, createEvent } from '@polybus/core/engine';
import { redisEngine } from '@polybus/engine-redis';
import { startRedis } from '@polybus/testbed';
import { Redis } from 'ioredis';
import { type Comparison, type Sample, type Unit, median } from './harness/compare.ts';
import { user as payload } from './harness/payloads.ts';
import { runBenchmark } from './harness/report.ts';

/**
 * Compares the Redis engine with ioredis used by hand, which does the same work in the same run: it creates events of the same payload,
 * encodes them as CloudEvents, sends, receives, and decodes them. In addition, the engine keeps a queue per subscription, counts, and (in a
 * group) acknowledges.
 *
 * The client by hand appears twice: with one command per publish, and with the client's auto-pipelining.
 */
const inFlight = 256;
const events = 30_000;
/** Latency is measured in many short rounds, so that other work of the machine affects all contenders alike. */
const latencyRounds = 20;
const pings = 1000;
const pingsApart = 200;
const source = 'bench';

interface Side {
  publish(topic: string): Promise<unknown>;
  /** Calls back for each decoded event. */
  listen(topic: string, onEvent: () => void): Promise<void>;
  close(): Promise<unknown>;
}

type Make = () => Promise<Side>;

const broker = await startRedis();
const { url } = broker;

function encode(topic: string): string {
  return encodeStructured(createEvent({ topic, payload }), { source });
}

/** ioredis with its defaults, as most programs use it. */
function client(enableAutoPipelining: boolean): Redis {
  const one = new Redis(url, { enableAutoPipelining });
  one.on('error', (error) => {
    throw error;
  });
  return one;
}

const byHand: Record<string, (isPipelining: boolean) => Make> = {
  pubsub: (isPipelining) => async () => {
    const [publisher, subscriber] = [client(isPipelining), client(false)];
    return {
      publish: (topic) => publisher.publish(topic, encode(topic)),
      listen: async (topic, onEvent) => {
        subscriber.on('message', (_, text) => {
          decodeStructured(text, { topic });
          onEvent();
        });
        await subscriber.subscribe(topic);
      },
      close: async () => [publisher, subscriber].forEach((one) => one.disconnect()),
    };
  },
  streams: (isPipelining) => async () => {
    const [publisher, reader] = [client(isPipelining), client(false)];
    return {
      publish: (topic) => publisher.xadd(topic, '*', 'event', encode(topic)),
      listen: async (topic, onEvent) => {
        let after = '0-0';
        const read = async (): Promise<void> => {
          while (reader.status !== 'end') {
            const reply = await reader.xread('COUNT', 500, 'BLOCK', 5000, 'STREAMS', topic, after);
            for (const [, entries] of reply ?? []) {
              for (const [id, fields] of entries) {
                after = id;
                decodeStructured(fields[1] ?? '', { topic });
                onEvent();
              }
            }
          }
        };
        read().catch(() => {});
      },
      close: async () => {
        [publisher, reader].forEach((one) => one.disconnect());
      },
    };
  },
  group: (isPipelining) => async () => {
    const [publisher, reader] = [client(isPipelining), client(false)];
    return {
      publish: (topic) => publisher.xadd(topic, '*', 'event', encode(topic)),
      listen: async (topic, onEvent) => {
        await reader.xgroup('CREATE', topic, 'g', '$', 'MKSTREAM');
        const read = async (): Promise<void> => {
          while (reader.status !== 'end') {
            const group = ['GROUP', 'g', 'c', 'COUNT', 128, 'BLOCK', 5000, 'STREAMS', topic, '>'] as const;
            const reply = (await reader.xreadgroup(...group)) as [string, [string, string[]][]][] | null;
            for (const [, entries] of reply ?? []) {
              for (const [, fields] of entries) {
                decodeStructured(fields[1] ?? '', { topic });
                onEvent();
              }
              publisher.xack(topic, 'g', ...entries.map(([id]) => id)).catch(() => {});
            }
          }
        };
        read().catch(() => {});
      },
      close: async () => {
        [publisher, reader].forEach((one) => one.disconnect());
      },
    };
  },
};

function engineSide(mode: 'pubsub' | 'streams', group?: string): Make {
  return async () => {
    const engine: Engine = redisEngine({ url, mode });
    await engine.start();
    return {
      publish: (topic) => engine.publish({ topic, payload }),
      // Room for all events, because the benchmark does not measure full buffers.
      listen: async (topic, onEvent) =>
        void (await engine.subscribe(topic, onEvent, { bufferSize: events * 2, group })),
      close: () => engine.stop(),
    };
  };
}

let topics = 0;
const newTopic = (): string => `bench.t${topics++}`;
const now = (): number => performance.now();

async function publishAll(side: Side, topic: string, count: number): Promise<void> {
  let left = count;
  const work = async (): Promise<void> => {
    while (left-- > 0) await side.publish(topic);
  };
  await Promise.all(Array.from({ length: inFlight }, work));
}

/** Accepted events per second. */
async function publishing(side: Side): Promise<number> {
  const topic = newTopic();
  await publishAll(side, topic, 2000);
  const since = now();
  await publishAll(side, topic, events);
  return (events / (now() - since)) * 1000;
}

/** Arriving events per second. */
async function endToEnd(side: Side): Promise<number> {
  const topic = newTopic();
  let seen = 0;
  let done!: () => void;
  const arrived = new Promise<void>((resolve) => (done = resolve));
  await side.listen(topic, () => {
    if (++seen === events) done();
  });
  const since = now();
  await Promise.all([publishAll(side, topic, events), arrived]);
  return (events / (now() - since)) * 1000;
}

/**
 * The median of microseconds from a publish until it is accepted and has arrived, one event at a time.
 *
 * @param apartMs - The pause between two events. Without a pause, the client and the server do not sleep between events.
 */
async function latency(side: Side, count: number, apartMs: number): Promise<number> {
  const topic = newTopic();
  let onEvent = (): void => {};
  await side.listen(topic, () => onEvent());
  const times: number[] = [];
  for (let n = 0; n < count; n++) {
    if (apartMs > 0) await setTimeout(apartMs);
    const since = now();
    const arrived = new Promise<void>((resolve) => (onEvent = resolve));
    await Promise.all([side.publish(topic), arrived]);
    times.push((now() - since) * 1000);
  }
  return median(times.slice(count / 10));
}

async function once(make: Make, measure: (side: Side) => Promise<number>): Promise<number> {
  const side = await make();
  try {
    return await measure(side);
  } finally {
    await side.close();
    const admin = client(false);
    await admin.flushall();
    admin.disconnect();
  }
}

/** A comparison with ioredis by hand; `limit` is the target beside plain ioredis. */
function comparison(
  title: string,
  unit: Unit,
  sides: Readonly<Record<string, Make>>,
  measure: (side: Side) => Promise<number>,
  limit: number,
  rounds?: number,
): Comparison {
  const samples = Object.entries(sides).map(([name, make]): [string, Sample] => [
    name,
    () => once(make, measure),
  ]);
  return {
    title,
    unit,
    contenders: Object.fromEntries(samples),
    targets: [{ peer: 'ioredis', ratio: limit }],
    ...(rounds === undefined ? {} : { rounds }),
  };
}

function* comparisons(): Generator<Comparison> {
  const kinds = [
    ['Pub/Sub', byHand['pubsub']!, engineSide('pubsub')],
    ['Streams', byHand['streams']!, engineSide('streams')],
    ['Streams, in a group', byHand['group']!, engineSide('streams', 'g')],
  ] as const;
  for (const [kind, hand, polybus] of kinds) {
    const sides = { polybus, ioredis: hand(false), 'ioredis, auto-pipelining': hand(true) };
    if (hand !== byHand['group'])
      yield comparison(`${kind}: publish, ${inFlight} in flight`, 'events/s', sides, publishing, 0.9);
    yield comparison(`${kind}: end to end, ${inFlight} in flight`, 'events/s', sides, endToEnd, 0.9);
    const chained = (side: Side): Promise<number> => latency(side, pings, 0);
    yield comparison(
      `${kind}: p50 until handled, one after the other`,
      'µs',
      sides,
      chained,
      1.2,
      latencyRounds,
    );
    const apart = (side: Side): Promise<number> => latency(side, pingsApart, 1);
    yield comparison(`${kind}: p50 until handled, 1 ms apart`, 'µs', sides, apart, 1.25, latencyRounds);
  }
}

try {
  await runBenchmark('redis', ['ioredis'], [...comparisons()], { Redis: broker.version });
} catch (error) {
  console.error(PolybusError.is(error) ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
} finally {
  await broker.stop();
}
