import { type Event, type TypedEventBus, createEventBus } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import { newName, until } from '@polybus/testbed/engine';
import { expect, onTestFinished, test } from 'vitest';
import { quietLogger } from '../../../test/bus/quiet-logger.ts';

/** How much load an engine gets: a size for every run, and the full size with `POLYBUS_LOAD=full`. */
export interface LoadSizes {
  readonly subscriptions: number;
  /** Topics under one pattern. */
  readonly topics: number;
  readonly groups: number;
  readonly deadLetters: number;
  /** Of the JSON of one payload; an even number. */
  readonly payloadBytes: number;
}

export const isFull: boolean = process.env['POLYBUS_LOAD'] === 'full';
/** Of a test: a full size takes minutes. */
const patient = { timeout: 900_000 };

interface StartedBus {
  readonly bus: TypedEventBus<Record<string, unknown>>;
  /** A topic name that no other test has. */
  readonly topic: string;
}

/** Every engine holds under load: each test asserts that each event arrives, and arrives once. */
export function loadTests(makeEngine: () => Engine, sizes: LoadSizes): void {
  const start = async (): Promise<StartedBus> => {
    const bus = createEventBus({
      engines: [{ name: 'loaded', engine: makeEngine() }],
      logger: quietLogger(),
    });
    await bus.start();
    onTestFinished(() => bus.stop());
    return { bus, topic: newName('load') };
  };

  test(`${sizes.subscriptions} subscriptions get each event once, and end`, patient, async () => {
    const { bus, topic } = await start();
    const counts = new Uint32Array(sizes.subscriptions);
    // Ten topics, so that the subscriptions of a topic share one event.
    const topics = Array.from({ length: 10 }, (_, i) => `${topic}.t${i}`);
    const topicOf = (i: number): string => topics[i % topics.length]!;
    const subscriptions = await inChunks(sizes.subscriptions, (i) =>
      bus.subscribe(topicOf(i), () => void counts[i]!++),
    );
    for (const name of topics) for (let n = 0; n < 3; n++) await bus.publish(name, n);
    await until('each subscription to get each event', () => counts.every((count) => count >= 3));
    expect(counts.every((count) => count === 3)).toBe(true);
    expect(bus.subscriberCount(topics[0]!)).toBe(sizes.subscriptions / topics.length);
    await Promise.all(subscriptions.map((one) => one.cancel()));
    expect(bus.topics()).toEqual([]);
  });

  test(`${sizes.topics} topics under one pattern all arrive, in a group and without`, patient, async () => {
    const { bus, topic } = await start();
    const plain = new Map<string, number>();
    const grouped = new Map<string, number>();
    const countIn = (counts: Map<string, number>) => (event: Event) =>
      void counts.set(event.topic, (counts.get(event.topic) ?? 0) + 1);
    await bus.subscribe(`${topic}.*`, countIn(plain));
    await bus.subscribe(`${topic}.*`, countIn(grouped), { group: 'all' });
    await inChunks(sizes.topics, (i) => bus.publish(`${topic}.t${i}`, i));
    await until('each topic', () => plain.size >= sizes.topics && grouped.size >= sizes.topics);
    await inChunks(sizes.topics, (i) => bus.publish(`${topic}.t${i}`, i));
    const twice = (counts: Map<string, number>): boolean => [...counts.values()].every((n) => n >= 2);
    await until('the second event of each topic', () => twice(plain) && twice(grouped));
    for (const counts of [plain, grouped]) expect(new Set(counts.values())).toEqual(new Set([2]));
  });

  test(`${sizes.groups} groups of a topic each get every event once, in order per key`, patient, async () => {
    const { bus, topic } = await start();
    const seen = Array.from({ length: sizes.groups }, (): number[] => []);
    await inChunks(sizes.groups, (i) =>
      bus.subscribe(topic, ({ payload }) => void seen[i]!.push(payload as number), { group: `g${i}` }),
    );
    const events = Array.from({ length: 20 }, (_, n) => n);
    for (const n of events) await bus.publish(topic, n, { key: 'k' });
    await until('each group', () => seen.every((list) => list.length >= events.length));
    for (const list of seen) expect(list).toEqual(events);
  });

  test(`a payload of ${sizes.payloadBytes} bytes arrives unchanged`, patient, async () => {
    const { bus, topic } = await start();
    const seen: unknown[] = [];
    await bus.subscribe(topic, ({ payload }) => void seen.push(payload));
    const rest = sizes.payloadBytes - JSON.stringify({ n: 0, text: '' }).length;
    const text = 'é'.repeat(rest / 2);
    for (let n = 0; n < 10; n++) await bus.publish(topic, { n, text });
    await until('each event', () => seen.length >= 10);
    expect(seen.map((one) => (one as { n: number }).n)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(seen.every((one) => (one as { text: string }).text === text)).toBe(true);
  });

  test(`${sizes.deadLetters} dead letters are redriven, each once`, patient, async () => {
    const { bus, topic } = await start();
    let isBroken = true;
    const seen = new Uint8Array(sizes.deadLetters);
    let handled = 0;
    await bus.subscribeAsync(
      topic,
      ({ payload }) => {
        if (isBroken) throw new Error('the database is down');
        seen[payload as number]!++;
        handled++;
      },
      { group: 'g', concurrency: 100, retry: { attempts: 1 }, deadLetter: true },
    );
    await inChunks(sizes.deadLetters, (i) => bus.publish(topic, i));
    await until('each dead letter', () => bus.stats().deadLettered >= sizes.deadLetters);
    isBroken = false;
    expect(await bus.redrive(topic)).toMatchObject({ redriven: sizes.deadLetters, kept: 0 });
    await until('each event', () => handled >= sizes.deadLetters);
    expect(seen.every((count) => count === 1)).toBe(true);
  });
}

/** Calls `each` for the numbers below `count`, 500 at a time. */
async function inChunks<T>(count: number, each: (i: number) => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  for (let first = 0; first < count; first += 500) {
    const size = Math.min(500, count - first);
    all.push(...(await Promise.all(Array.from({ length: size }, (_, i) => each(first + i)))));
  }
  return all;
}
