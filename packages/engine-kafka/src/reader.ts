import { setImmediate } from 'node:timers/promises';
import type { Logger } from '@polybus/core';
import {
  type FetchedPartition,
  type FetchedRecord,
  type KafkaClient,
  type PartitionOffset,
  isFailure,
} from './client-port.ts';
import { messageOf } from './errors.ts';
import type { ConsumerOptions } from './options.ts';
import { pause } from './pause.ts';
import type { TopicCatalog } from './topic-catalog.ts';

/** Somebody's place in a partition. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
  /** The offset of the next record it wants. */
  position: number;
  /** False where it has no room, or is not to be read for now. */
  readonly isOpen: boolean;
  /** Takes the records from its position on. */
  take(records: readonly FetchedRecord[]): void;
  /** Hands over what it took. */
  run(): void;
  /** There is nothing at its position: where it goes on, the records between being lost. */
  move(position: number, isLoss: boolean): void;
}

/** A request to a broker; without an answer where there is nothing to ask for. */
interface Fetch {
  readonly positions: readonly PartitionOffset[];
  readonly answer: Promise<readonly FetchedPartition[]> | undefined;
}

const backoffMs = 100;
const maxBackoffMs = 1000;
/** How long a partition is left alone that fails for a reason of its own. */
const suspensionMs = 2000;

/**
 * Reads partitions for everybody in the process: each partition once, from the earliest place in it that has room. Places
 * that are further on leave out what they have had.
 */
export class Reader {
  readonly #client: KafkaClient;
  readonly #catalog: TopicCatalog;
  readonly #options: ConsumerOptions;
  readonly #logger: Logger;
  readonly #closing: AbortSignal;
  readonly #places = new Map<string, Set<Place>>();
  readonly #loops = new Map<number, Loop>();
  readonly #suspended = new Map<string, number>();

  constructor(
    client: KafkaClient,
    catalog: TopicCatalog,
    options: ConsumerOptions,
    logger: Logger,
    closing: AbortSignal,
  ) {
    this.#client = client;
    this.#catalog = catalog;
    this.#options = options;
    this.#logger = logger;
    this.#closing = closing;
  }

  add(place: Place): void {
    const key = keyOf(place);
    const places = this.#places.get(key);
    if (places === undefined) this.#places.set(key, new Set([place]));
    else places.add(place);
    this.wake();
  }

  remove(place: Place): void {
    const key = keyOf(place);
    const places = this.#places.get(key);
    places?.delete(place);
    if (places?.size === 0) this.#places.delete(key);
  }

  /** Something can be read that could not be before. */
  wake(): void {
    for (const loop of this.#loops.values()) loop.wake();
    this.#begin();
  }

  /** A loop for each broker that leads a partition. */
  #begin(): void {
    for (const places of this.#places.values()) {
      for (const { topic, partition } of places) {
        const broker = this.#catalog.leaderOf(topic, partition);
        if (broker === undefined || this.#loops.has(broker) || this.#closing.aborted) continue;
        const loop = new Loop();
        this.#loops.set(broker, loop);
        void this.#read(broker, loop);
      }
    }
  }

  async #read(broker: number, loop: Loop): Promise<void> {
    let failures = 0;
    let ahead: Fetch | undefined;
    while (!this.#closing.aborted) {
      const { positions, answer } = ahead ?? this.#fetchAt(broker);
      ahead = undefined;
      try {
        if (answer === undefined) {
          await loop.sleep(this.#closing);
          continue;
        }
        const taken = this.#take(positions, await answer);
        // While this is handled the broker can look for more; not where somebody has no room, who may have it in a moment and
        // would then wait for an answer about the others.
        if (taken.length > 0 && taken.every(({ isOpen }) => isOpen)) ahead = this.#fetchAt(broker);
        for (const place of taken) place.run();
        failures = 0;
        // So that a flood of events leaves the timers of the process their turn.
        await setImmediate();
      } catch (error) {
        if (this.#closing.aborted) break;
        failures++;
        await this.#recover(error, broker, positions, failures).catch(() => {});
      }
    }
  }

  /** Asks for what is next of all that there is room for. */
  #fetchAt(broker: number): Fetch {
    const positions = this.#positionsAt(broker);
    if (positions.length === 0) return { positions, answer: undefined };
    const answer = this.#fetch(broker, positions, this.#options.fetchMaxWaitMs);
    // Its failure is told to who waits for it, who may be busy until then.
    answer.catch(() => {});
    return { positions, answer };
  }

  async #fetch(
    broker: number,
    positions: readonly PartitionOffset[],
    maxWaitMs: number,
  ): Promise<readonly FetchedPartition[]> {
    const { fetchMaxBytes, fetchMaxBytesPerPartition } = this.#options;
    return this.#client.fetch(broker, {
      positions,
      maxWaitMs,
      maxBytes: fetchMaxBytes,
      maxBytesPerPartition: fetchMaxBytesPerPartition,
    });
  }

  #positionsAt(broker: number): PartitionOffset[] {
    const positions: PartitionOffset[] = [];
    for (const [key, places] of this.#places) {
      let offset = Number.POSITIVE_INFINITY;
      for (const place of places) if (place.isOpen && place.position < offset) offset = place.position;
      if (offset === Number.POSITIVE_INFINITY || this.#isSuspended(key)) continue;
      const [{ topic, partition }] = places as unknown as [Place];
      if (this.#catalog.leaderOf(topic, partition) === broker) positions.push({ topic, partition, offset });
    }
    return positions;
  }

  /** Gives the places what is for them. All have it before the first is handled: what a handler publishes stays behind the event it was handling. */
  #take(asked: readonly PartitionOffset[], fetched: readonly FetchedPartition[]): Place[] {
    const begins = new Map(asked.map((one) => [keyOf(one), one.offset]));
    const taken: Place[] = [];
    for (const { topic, partition, records, next } of fetched) {
      const key = keyOf({ topic, partition });
      const begin = begins.get(key);
      if (next === undefined || begin === undefined) continue;
      for (const place of this.#places.get(key) ?? []) {
        // One that is behind what was asked for would miss what lies between: its turn comes.
        if (!place.isOpen || place.position < begin || place.position >= next) continue;
        const first = records.findIndex(({ offset }) => offset >= place.position);
        place.position = next;
        if (first < 0) continue;
        place.take(first === 0 ? records : records.slice(first));
        taken.push(place);
      }
    }
    return taken;
  }

  async #recover(
    reason: unknown,
    broker: number,
    positions: readonly PartitionOffset[],
    failures: number,
  ): Promise<void> {
    this.#logger.debug?.('a fetch failed and is tried again', { error: messageOf(reason), broker });
    if (isFailure(reason, 'offset') && reason.at !== undefined) await this.#findPlaceIn(reason.at);
    else if (isFailure(reason, 'refused', 'lasting')) await this.#isolate(broker, positions);
    else await this.#catalog.refresh().catch(() => {});
    this.#begin();
    await pause(Math.min(backoffMs * 2 ** (failures - 1), maxBackoffMs), this.#closing);
  }

  /** The offset is not there: retention has taken it, or the topic is another one of the same name. */
  async #findPlaceIn({ topic, partition }: { topic: string; partition: number }): Promise<void> {
    const asked = new Map([[topic, [partition]]]);
    const [[first], [end]] = await Promise.all([
      this.#client.offsets(asked, 'earliest'),
      this.#client.offsets(asked, 'latest'),
    ]);
    if (first === undefined || end === undefined) return;
    for (const place of this.#places.get(keyOf({ topic, partition })) ?? []) {
      if (place.position < first.offset) place.move(first.offset, true);
      else if (place.position > end.offset) place.move(first.offset, false);
    }
  }

  /** Finds which partition it is that fails: the answer does not say. */
  async #isolate(broker: number, positions: readonly PartitionOffset[]): Promise<void> {
    for (const position of positions) {
      try {
        const taken = this.#take([position], await this.#fetch(broker, [position], 0));
        for (const place of taken) place.run();
      } catch (error) {
        if (!isFailure(error, 'refused', 'lasting')) continue;
        const { topic, partition } = position;
        this.#suspended.set(keyOf(position), Date.now() + suspensionMs);
        this.#logger.warn('a partition cannot be read', { topic, partition, error: messageOf(error) });
      }
    }
  }

  #isSuspended(key: string): boolean {
    const until = this.#suspended.get(key);
    if (until === undefined) return false;
    if (until > Date.now()) return true;
    this.#suspended.delete(key);
    return false;
  }
}

/** Lets a loop that has nothing to do sleep. */
class Loop {
  #wake: (() => void) | undefined;

  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  sleep(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        clearTimeout(timer);
        resolve();
      };
      // A suspension that ends wakes nobody.
      const timer = setTimeout(wake, suspensionMs);
      this.#wake = wake;
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}

function keyOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}:${partition}`;
}
