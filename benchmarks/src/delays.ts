import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Engine } from '@polybus/core/engine';
import { kafkaEngine } from '@polybus/engine-kafka';
import { durableMemoryEngine } from '@polybus/engine-memory';
import { redisEngine } from '@polybus/engine-redis';
import { startKafka, startRedis } from '@polybus/testbed';

/*
 * Measures how late delayed events arrive, by the clock of this machine.
 */

/** How many events a measurement delays. */
const events = 500;
/** The delays: from this many milliseconds, within this range. */
const [shortestMs, rangeMs] = [200, 2000];

/** @param stops - True if the engine that publishes stops while the events wait. */
async function measure(name: string, make: () => Engine, stops: boolean): Promise<void> {
  const topic = `t-${randomUUID()}`;
  const engine = make();
  const publisher = stops ? make() : engine;
  await Promise.all([engine.start(), publisher.start()]);
  const late: number[] = [];
  await engine.subscribe<number>(topic, ({ payload }) => void late.push(Date.now() - payload), {
    bufferSize: 2 * events,
  });
  // The first event creates topics and makes the engines join their group.
  await publisher.publish({ topic, payload: Date.now() }, { delayMs: 10 });
  while (late.length < 1) await pause(5);
  late.length = 0;
  await Promise.all(
    Array.from({ length: events }, (_, n) => {
      const at = new Date(Date.now() + shortestMs + ((n * 7919) % rangeMs));
      return publisher.publish({ topic, payload: at.getTime(), key: `key-${n % 50}` }, { at });
    }),
  );
  if (stops) await publisher.stop();
  while (late.length < events) await pause(5);
  await engine.stop();
  late.sort((a, b) => a - b);
  const [half, most, nearlyAll] = [0.5, 0.9, 0.99].map((part) => late[Math.floor(part * events)]);
  const title = stops ? `${name}, and the publisher has stopped` : name;
  console.log(
    `${title}: median ${half} ms, 90 % ${most} ms, 99 % ${nearlyAll} ms, most ${late.at(-1)} ms late`,
  );
}

const [redis, kafka] = [await startRedis(), await startKafka()];
try {
  await measure('durable-memory', () => durableMemoryEngine(), false);
  const ofRedis = (): Engine => redisEngine({ url: redis.url, mode: 'streams' });
  const ofKafka = (): Engine => kafkaEngine({ brokers: [...kafka.brokers] });
  for (const stops of [false, true]) await measure('redis, mode "streams"', ofRedis, stops);
  for (const stops of [false, true]) await measure('kafka', ofKafka, stops);
} finally {
  await Promise.all([redis.stop(), kafka.stop()]);
}
