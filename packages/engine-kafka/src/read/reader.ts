import { setImmediate } from 'node:timers/promises';
import type { Logger } from '@polybus/core';
import type { ReadProgress } from '@polybus/core/engine';
import { backoffMs, pause } from '@polybus/core/engine-kit';
import { isFailure } from '../client/failure.ts';
import type { FetchedPartition, KafkaClient, PartitionOffset } from '../client/kafka-client.ts';
import { messageOf } from '../errors.ts';
import type { ConsumerOptions } from '../options/options.ts';
import type { Cursor } from './cursor.ts';
import { LogEnds } from './log-ends.ts';
import { FetchLoop } from './fetch-loop.ts';
import { resetOffset } from './reset-offset.ts';
import { Suspensions } from './suspensions.ts';
import { Turns } from './turns.ts';
import type { TopicCatalog } from '../client/topic-catalog.ts';

/** The contents of a request to a broker. */
interface Request {
  readonly positions: readonly PartitionOffset[];
  readonly maxWaitMs: number;
}

/** A request to a broker. `answer` is undefined if there was nothing to request. */
interface Fetch {
  readonly positions: readonly PartitionOffset[];
  readonly answer: Promise<readonly FetchedPartition[]> | undefined;
}

/** How long after `fetchMaxWaitMs` a broker may answer before it counts as silent, in milliseconds. */
const lateMs = 1000;
const initialBackoffMs = 100;
const maxBackoffMs = 1000;
/** Records of a cursor that are decoded and handed over before the first of them is handled. */
const handOverSize = 100;
/** How long a request waits if a cursor may be ready for another request soon. A request cannot be cancelled. */
const shortWaitMs = 20;
/** Empty answers in a row, after which requests wait at the broker although cursors wait for their turn. */
const idleTurns = 4;

/**
 * Fetches for all cursors of the engine: each partition once for all cursors at the same offset. Cursors at different offsets take
 * turns.
 */
export class Reader {
  readonly #client: KafkaClient;
  readonly #catalog: TopicCatalog;
  readonly #options: ConsumerOptions;
  readonly #logger: Logger;
  readonly #closing: AbortSignal;
  readonly #cursors = new Map<string, Set<Cursor>>();
  /** The group of a cursor that belongs to a group. */
  readonly #groups = new Map<Cursor, string>();
  readonly #loops = new Map<number, FetchLoop>();
  readonly #turns = new Turns();
  readonly #suspensions = new Suspensions();
  readonly #ends: LogEnds;

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
    this.#ends = new LogEnds(options.readUncommitted);
  }

  add(cursor: Cursor, group?: string): void {
    const key = keyOf(cursor);
    // A partition may get another leader, to which no loop belongs yet.
    if (this.#cursors.size === 0) this.#catalog.watch(this.#onTopics);
    if (group !== undefined) this.#groups.set(cursor, group);
    const cursors = this.#cursors.get(key);
    if (cursors === undefined) this.#cursors.set(key, new Set([cursor]));
    else cursors.add(cursor);
    this.wake();
  }

  remove(cursor: Cursor): void {
    const key = keyOf(cursor);
    this.#groups.delete(cursor);
    const cursors = this.#cursors.get(key);
    cursors?.delete(cursor);
    if (cursors?.size !== 0) return;
    this.#cursors.delete(key);
    this.#turns.forget(key);
    this.#suspensions.forget(key);
    this.#ends.forget(key);
    if (this.#cursors.size === 0) this.#catalog.unwatch(this.#onTopics);
  }

  readonly #onTopics = (): void => this.wake();

  /** The position of each cursor, and why it is behind. */
  *progress(): Iterable<ReadProgress> {
    for (const [key, cursors] of this.#cursors) {
      for (const cursor of cursors) {
        const { topic, partition, position } = cursor;
        const group = this.#groups.get(cursor);
        const whose = group === undefined ? '' : ` for the group "${group}"`;
        const source = `partition ${partition} of "${topic}"${whose}`;
        yield { source, position, behind: this.#whyBehind(key, cursor) };
      }
    }
  }

  #whyBehind(key: string, { topic, partition, position, isOpen }: Cursor): string | undefined {
    if (!isOpen) return undefined;
    const reason = this.#suspensions.reasonOf(key);
    if (reason !== undefined) return `it cannot be read: ${reason}`;
    const leader = this.#catalog.leaderOf(topic, partition);
    if (leader === undefined) return 'no broker leads it';
    const trouble = this.#loops.get(leader)?.troubleAfter(this.#options.fetchMaxWaitMs + lateMs);
    if (trouble !== undefined) return `broker ${leader} ${trouble}`;
    return this.#ends.whyBehind(key, position);
  }

  /** Call when a cursor can be read that could not be read before. */
  wake(): void {
    for (const loop of this.#loops.values()) loop.wake();
    this.#begin();
  }

  /** Starts a loop for each broker that leads a partition. */
  #begin(): void {
    for (const cursors of this.#cursors.values()) {
      for (const { topic, partition } of cursors) {
        const broker = this.#catalog.leaderOf(topic, partition);
        if (broker === undefined || this.#loops.has(broker) || this.#closing.aborted) continue;
        const loop = new FetchLoop();
        this.#loops.set(broker, loop);
        void this.#read(broker, loop);
      }
    }
  }

  async #read(broker: number, loop: FetchLoop): Promise<void> {
    let failures = 0;
    let idle = 0;
    let ahead: Fetch | undefined;
    while (!this.#closing.aborted) {
      const { positions, answer } = ahead ?? this.#fetchAt(broker, idle);
      ahead = undefined;
      try {
        if (answer === undefined) {
          await loop.sleep(this.#suspensions.leastMs, this.#closing);
          continue;
        }
        const fetched = await loop.waitFor(answer);
        const failed = this.#note(fetched);
        const taken = this.#take(positions, fetched);
        idle = fetched.some(({ next }) => next !== undefined) ? 0 : idle + 1;
        // The broker looks for more records while these are handled. Not if a cursor has no room: it may have room in a moment, and
        // would then wait for the answer for the others.
        this.#handle(taken, () => {
          if (ahead === undefined && allOpen(taken)) ahead = this.#fetchAt(broker, idle);
        });
        failures = 0;
        // In the background, because other partitions must not wait.
        if (failed.length > 0) this.#recover(failed).catch(() => {});
        // Lets timers run between large answers.
        await setImmediate();
      } catch (error) {
        if (this.#closing.aborted) break;
        failures++;
        loop.failed(messageOf(error));
        this.#logger.debug?.('a fetch failed and is tried again', { error: messageOf(error), broker });
        await this.#catalog.refresh().catch(() => {});
        this.#begin();
        await pause(backoffMs(failures, initialBackoffMs, maxBackoffMs), this.#closing).catch(() => {});
      }
    }
  }

  /** Requests the next records of all cursors that have room. */
  #fetchAt(broker: number, idle: number): Fetch {
    const request = this.#requestTo(broker, idle);
    const { positions } = request;
    if (positions.length === 0) return { positions, answer: undefined };
    const answer = this.#fetch(broker, request);
    // The loop handles a failure, later: until then it may be busy.
    answer.catch(() => {});
    return { positions, answer };
  }

  async #fetch(broker: number, { positions, maxWaitMs }: Request): Promise<readonly FetchedPartition[]> {
    const { fetchMaxBytes, fetchMaxBytesPerPartition } = this.#options;
    return this.#client.fetch(broker, {
      positions,
      maxWaitMs,
      maxBytes: fetchMaxBytes,
      maxBytesPerPartition: fetchMaxBytesPerPartition,
    });
  }

  #requestTo(broker: number, idle: number): Request {
    const positions: PartitionOffset[] = [];
    let maxWaitMs = this.#options.fetchMaxWaitMs;
    for (const [key, cursors] of this.#cursors) {
      const [{ topic, partition }] = cursors as unknown as [Cursor];
      if (this.#catalog.leaderOf(topic, partition) !== broker || this.#suspensions.has(key)) continue;
      const turn = this.#turns.next(key, cursors);
      if (turn !== undefined) positions.push({ topic, partition, offset: turn.offset });
      // If cursors wait for their turn, there are records to read, unless an open transaction holds them back.
      if (turn?.isSkewed === true) maxWaitMs = Math.min(maxWaitMs, idle < idleTurns ? 0 : shortWaitMs);
      else if (!allOpen(cursors)) maxWaitMs = Math.min(maxWaitMs, shortWaitMs);
    }
    return { positions, maxWaitMs };
  }

  /** Gives records to all cursors before the first record is handled, so that an event which a handler publishes comes later. */
  #take(asked: readonly PartitionOffset[], fetched: readonly FetchedPartition[]): Cursor[] {
    const begins = new Map(asked.map((one) => [keyOf(one), one.offset]));
    const taken: Cursor[] = [];
    for (const { topic, partition, records, next } of fetched) {
      const key = keyOf({ topic, partition });
      const begin = begins.get(key);
      if (next === undefined || begin === undefined) continue;
      for (const cursor of this.#cursors.get(key) ?? []) {
        // A cursor at another offset would miss the records in between, and waits for its turn.
        if (!cursor.isOpen || cursor.position < begin || cursor.position >= next) continue;
        const first = records.findIndex(({ offset }) => offset >= cursor.position);
        cursor.position = next;
        if (first < 0) continue;
        const wanted = first === 0 ? records : records.slice(first);
        for (const record of wanted) record.takers++;
        cursor.take(wanted);
        taken.push(cursor);
      }
      this.#turns.moved(key, next);
    }
    return taken;
  }

  /** Hands over a few records of each cursor at a time, because objects that live briefly are cheap for the garbage collector. */
  #handle(taken: readonly Cursor[], onHanded: () => void): void {
    let rest = taken;
    while (rest.length > 0) {
      rest = rest.filter((cursor) => cursor.handOver(handOverSize));
      onHanded();
      for (const cursor of taken) cursor.run();
    }
  }

  /** Notes the state of each partition. Suspends the partitions that could not be read, and returns them. */
  #note(fetched: readonly FetchedPartition[]): readonly FetchedPartition[] {
    const failed: FetchedPartition[] = [];
    for (const one of fetched) {
      const { topic, partition, failure } = one;
      const key = keyOf(one);
      if (!this.#cursors.has(key)) continue;
      if (failure !== undefined) {
        failed.push(one);
        const error = messageOf(failure);
        this.#logger.debug?.('a partition could not be read and is tried again', { topic, partition, error });
        const isPassing = !isFailure(failure, 'refused', 'lasting');
        if (this.#suspensions.suspend(key, error, isPassing))
          this.#logger.warn('a partition cannot be read', { topic, partition, error });
        continue;
      }
      this.#ends.note(key, one);
      if (this.#suspensions.isOver(key))
        this.#logger.info?.('a partition can be read again', { topic, partition });
    }
    return failed;
  }

  async #recover(failed: readonly FetchedPartition[]): Promise<void> {
    const isOfOffset = ({ failure }: FetchedPartition): boolean => isFailure(failure, 'offset');
    // Another broker may lead the partitions now.
    if (!failed.every(isOfOffset)) await this.#catalog.refresh().catch(() => {});
    for (const one of failed) {
      const cursors = this.#cursors.get(keyOf(one));
      if (cursors !== undefined && isOfOffset(one))
        await resetOffset(this.#client, cursors, one).catch(() => {});
    }
    this.#begin();
  }
}

function allOpen(cursors: Iterable<Cursor>): boolean {
  for (const { isOpen } of cursors) if (!isOpen) return false;
  return true;
}

function keyOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}:${partition}`;
}
