import { setTimeout as delay } from 'node:timers/promises';
import {
  type DeliveryStats,
  type Event,
  type HandlerContext,
  type Logger,
  type TypedEventBus,
  createEventBus,
  deadLetterTopic,
} from '@polybus/core';
import type { Target } from './engines.ts';
import { type Halves, type Sample, growth, halvesOf } from './flat.ts';
import { Sequence } from './sequence.ts';

const topic = 'soak.events';
const keyCount = 64;
const tickMs = 20;
/** One event in so many fails on its first attempt. */
const retryEvery = 50;
/** One event in so many fails on every attempt, and becomes a dead letter. */
const deadEvery = 500;
/** While so many publishes wait for an answer, no further ones are made. */
const maxInFlight = 2000;
/** After the last publish, consumers have so long for the events that are left. */
const drainMs = 120_000;
/** On a slow machine, a short run takes longer than it was asked to. */
const leastSamples = 10;
/** Before a sample, they have so long. */
const restMs = 30_000;

/** What a soak gave. */
export interface SoakResult {
  readonly published: number;
  readonly retried: number;
  readonly deadLettered: number;
  readonly repeated: number;
  readonly halves: Halves;
  /** What was lost or grew. Empty if the soak passed. */
  readonly problems: readonly string[];
}

interface Payload {
  readonly key: number;
  readonly seq: number;
  readonly n: number;
  readonly text: string;
}

type Bus = TypedEventBus<Record<string, unknown>>;

/** Publishes at a steady rate to a group of two members and to a subscription without a group, takes samples, and judges. */
export async function runSoak(
  target: Target,
  { minutes, rate, show }: { minutes: number; rate: number; show: (line: string) => void },
): Promise<SoakResult> {
  const grouped = new Sequence(keyCount);
  const every = new Sequence(keyCount);
  let dead = 0;
  const logger = onceEach(show);
  const newBus = (): Bus =>
    createEventBus({ engines: [{ name: 'soaked', engine: target.makeEngine() }], logger });
  const first = newBus();
  const second = target.isShared ? newBus() : first;
  const buses = [...new Set([first, second])];
  try {
    for (const bus of buses) await bus.start();
    for (const bus of [first, second]) {
      await bus.subscribeAsync(topic, (event: Event, context) => inGroup(grouped, event, context), {
        group: 'workers',
        concurrency: 4,
        retry: { attempts: 3, backoff: { initialMs: 20, maxMs: 100 } },
        deadLetter: true,
      });
    }
    await second.subscribeAsync(topic, (event: Event) => noteIn(every, event), { concurrency: 4 });
    await second.subscribeAsync(deadLetterTopic(topic), () => void dead++);

    const publisher = new Publisher(first, rate);
    const expectedDead = (): number => Math.ceil(publisher.published / deadEvery);
    const isDone = (): boolean =>
      publisher.inFlight === 0 &&
      grouped.handled + grouped.skipped >= publisher.published &&
      every.handled + every.skipped >= publisher.published &&
      dead >= expectedDead() &&
      total(buses, ({ pending }) => pending) === 0;
    const samples = await sampled(target, buses, publisher, isDone, minutes, show);
    publisher.pause();
    await within(drainMs, isDone);
    const { published, failed } = publisher;

    const halves = halvesOf(samples);
    const left = total(buses, ({ pending }) => pending);
    const dropped = total(buses, (stats) => stats.dropped);
    const problems = [
      ...(failed.size > 0
        ? [`publishes failed: ${[...failed].map(([code, n]) => `${n} ${code}`).join(', ')}`]
        : []),
      ...missing('the group', grouped, published),
      ...missing('the subscription without a group', every, published),
      ...(dead === expectedDead() ? [] : [`${dead} dead letters came, expected ${expectedDead()}`]),
      ...(left === 0 ? [] : [`${left} deliveries are still pending`]),
      ...(dropped === 0 ? [] : [`${dropped} deliveries were dropped`]),
      ...growth(halves, rate),
    ];
    const retried = total(buses, (stats) => stats.retried);
    return {
      published,
      retried,
      deadLettered: dead,
      repeated: grouped.repeated + every.repeated,
      halves,
      problems,
    };
  } finally {
    await Promise.all(buses.map((bus) => bus.stop()));
  }
}

/** Shows each message once: failing handlers are part of a soak, and each is a warning. */
function onceEach(show: (line: string) => void): Logger {
  const seen = new Set<string>();
  const note = (message: string): void => {
    const kind = message.replaceAll(/\d+/g, 'N');
    if (seen.has(kind)) return;
    seen.add(kind);
    show(message);
  };
  return { warn: note, error: note };
}

function missing(who: string, { handled, skipped }: Sequence, published: number): string[] {
  const lost = handled === published ? [] : [`${who} handled ${handled} of ${published} events`];
  return skipped === 0
    ? lost
    : [...lost, `${who} did not get ${skipped} events before later events of their keys`];
}

function noteIn(sequence: Sequence, { payload }: Event): void {
  const { key, seq } = payload as Payload;
  sequence.note(key, seq);
}

async function inGroup(sequence: Sequence, event: Event, { attempt }: HandlerContext): Promise<void> {
  // An event that fails keeps its key, so its first attempt is in order, too.
  if (attempt === 1) noteIn(sequence, event);
  await new Promise((resolve) => setImmediate(resolve));
  const { n } = event.payload as Payload;
  if (n % deadEvery === 0) throw new Error('a handler that always fails');
  if (n % retryEvery === 0 && attempt === 1) throw new Error('a handler that fails the first time');
}

/**
 * Takes ten to sixty samples. Before each, the publisher pauses until everything is handled, so that what is under way does not count;
 * only the pending deliveries are counted under load.
 */
async function sampled(
  target: Target,
  buses: readonly Bus[],
  publisher: Publisher,
  isDone: () => boolean,
  minutes: number,
  show: (line: string) => void,
): Promise<Sample[]> {
  const intervalMs = Math.max(1500, (minutes * 60_000) / 60);
  const samples: Sample[] = [];
  const end = performance.now() + minutes * 60_000;
  while (performance.now() < end || samples.length < leastSamples) {
    publisher.resume();
    await delay(intervalMs);
    const pending = total(buses, (stats) => stats.pending);
    publisher.pause();
    await within(restMs, isDone);
    // Subscriptions come and go as well, and must leave nothing behind.
    const passing = await buses.at(-1)!.subscribeAsync(topic, () => {});
    await passing.cancel();
    const groups = (await target.countGroups?.(topic)) ?? 0;
    const { heap, resources } = measure();
    samples.push({ heap, resources, pending, groups });
    show(
      `${publisher.published} events, heap ${(heap / 2 ** 20).toFixed(1)} MiB, pending ${pending}, ${JSON.stringify(resources)}`,
    );
  }
  return samples;
}

async function within(ms: number, isDone: () => boolean): Promise<void> {
  for (const end = performance.now() + ms; performance.now() < end && !isDone();) await delay(20);
}

function measure(): Pick<Sample, 'heap' | 'resources'> {
  // The second collection takes what the finalizers of the first have freed.
  globalThis.gc!();
  globalThis.gc!();
  const resources: Partial<Record<string, number>> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  return { heap: process.memoryUsage().heapUsed, resources };
}

function total(buses: readonly Bus[], of: (stats: DeliveryStats) => number): number {
  return buses.reduce((sum, bus) => sum + of(bus.stats()), 0);
}

/** Publishes at a steady rate, or as fast as the broker accepts if that is slower. */
class Publisher {
  readonly #bus: Bus;
  readonly #next: number[] = Array.from({ length: keyCount }, () => 0);
  readonly failed = new Map<string, number>();
  readonly #rate: number;
  #timer: NodeJS.Timeout | undefined;
  #due = 0;
  inFlight = 0;
  published = 0;

  constructor(bus: Bus, rate: number) {
    this.#bus = bus;
    this.#rate = rate;
  }

  resume(): void {
    let last = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.#due += ((now - last) * this.#rate) / 1000;
      last = now;
      for (; this.#due >= 1 && this.inFlight < maxInFlight; this.#due--) this.#publish();
      // What could not be published in time is not made up for in a burst.
      this.#due = Math.min(this.#due, this.#rate / 10);
    }, tickMs);
  }

  pause(): void {
    clearInterval(this.#timer);
  }

  #publish(): void {
    const n = this.published++;
    const key = n % keyCount;
    const payload: Payload = { key, seq: this.#next[key]!++, n, text: 'x'.repeat(200) };
    this.inFlight++;
    this.#bus
      .publish(topic, payload, { key: `k${key}` })
      .catch((error: { code?: string }) => {
        const code = String(error.code);
        this.failed.set(code, (this.failed.get(code) ?? 0) + 1);
      })
      .finally(() => this.inFlight--);
  }
}
