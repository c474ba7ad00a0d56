import { randomUUID } from 'node:crypto';
import type { ReadProgress } from '@polybus/core/engine';
import type { BusyPoll } from './busy-poll.ts';
import type { Connection } from '../client/connection.ts';
import { isAnswer, messageOf } from '../errors.ts';
import { firstId } from '../store/stream-ids.ts';
import { type StreamEntry, streamsOf } from '../store/stream-entry.ts';
import type { StreamContext } from '../store/stream-context.ts';

/** The streams of a blocking reader, and the functions that it calls with the entries. */
export interface BlockingSource {
  /** The streams to read now, each with the id after which to read. */
  streams(): Iterable<readonly [stream: string, after: string]>;
  /**
   * A blocking read was sent. The server carries out commands that are sent over the connection now when that read has returned.
   * The next read begins when the returned promise has resolved.
   */
  onSent?(connection: Connection): Promise<void> | undefined;
  /** New entries of a stream that follow an id. The next read begins when the returned promise has resolved. */
  onEntries(stream: string, entries: readonly StreamEntry[], after: string): Promise<void> | undefined | void;
  /** Another engine woke this one: there may be entries for this group of this topic. */
  onWakeUp?(topic: string, group: string): void;
  /** The connection was lost and works again. */
  onRestored?(): void;
  /** The server has refused a read, possibly because of a single stream. */
  onRefused?(): void;
}

/** Options of a blocking reader. */
export interface BlockingReaderOptions {
  /** The engine's id, which the name of the reader's wake-up stream contains. */
  readonly id: string;
  /** The maximum number of entries of each stream in one read. */
  readonly count: number;
  readonly busyPoll: BusyPoll;
}

/** The pause after a failed read, in milliseconds. */
const pauseMs = 100;
/** The approximate maximum number of entries in a wake-up stream. */
const maxWakeUps = 1000;
/** How long a wake-up stream outlives its engine, in seconds. */
const wakeStreamSeconds = 3600;

/**
 * Reads streams with XREAD BLOCK over a connection of its own. It also reads a wake-up stream of its own: an entry there makes it start
 * again with another list of streams.
 */
export class BlockingReader {
  readonly #connection: Connection;
  readonly #context: StreamContext;
  readonly #source: BlockingSource;
  readonly #count: number;
  readonly #busyPoll: BusyPoll;
  readonly #wakeStream: string;
  #wakeStreamAt: string = firstId;
  #isStopped = false;
  #isBlocked = false;
  #isWaking = false;
  #pause: { readonly timer: NodeJS.Timeout; readonly end: () => void } | undefined;
  #reading: Promise<void> | undefined;
  /** How many reads have succeeded and were processed. */
  #rounds = 0;
  /** Why the last read failed. */
  #failure: string | undefined;

  constructor(
    connection: Connection,
    context: StreamContext,
    source: BlockingSource,
    { id, count, busyPoll }: BlockingReaderOptions,
  ) {
    this.#connection = connection;
    this.#context = context;
    this.#source = source;
    this.#count = count;
    this.#busyPoll = busyPoll;
    this.#wakeStream = context.keys.wakePrefix + id;
    connection.listen({ onRestored: () => this.#source.onRestored?.() });
  }

  start(): void {
    this.#reading ??= this.#read();
  }

  /** Makes a waiting read start again, because the list of streams has changed. */
  interrupt(): void {
    if (!this.#isBlocked || this.#isWaking || this.#isStopped) return;
    this.#isWaking = true;
    this.#wake().catch((error: unknown) => {
      // The read returns by itself after `blockMs`, and the next one has the new list.
      this.#isWaking = false;
      this.#context.logger.debug?.('a blocking read could not be interrupted', { error: messageOf(error) });
    });
  }

  async #wake(): Promise<void> {
    const answers = await this.#context.run((client) =>
      client
        .pipeline()
        .xadd(this.#wakeStream, 'MAXLEN', '~', maxWakeUps, '*', 'wake', '1')
        .expire(this.#wakeStream, wakeStreamSeconds)
        .exec(),
    );
    // A pipeline does not reject if its commands are refused, for example by a full server.
    for (const [error] of answers ?? []) if (error) throw error;
  }

  /** @param source - The name of the reader. */
  progress(source: string): ReadProgress {
    return { source, position: this.#rounds, behind: this.#failure };
  }

  /** Stops reading, and closes the connection. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#connection.close();
    this.#pause?.end();
    await this.#reading;
  }

  async #read(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#readOnce();
        this.#rounds++;
        this.#failure = undefined;
        // The read is sent after events that handlers publish now: a server that these events have woken also takes the read.
        await nextPoll();
      } catch (error) {
        if (this.#isStopped) return;
        this.#failure = `its reads fail: ${messageOf(error)}`;
        this.#context.logger.debug?.('a read failed and is tried again', { error: messageOf(error) });
        await this.#wait();
      }
    }
  }

  async #readOnce(): Promise<void> {
    const { blockMs, commandTimeoutMs } = this.#context.options;
    const names = [this.#wakeStream];
    const ids = [this.#wakeStreamAt];
    for (const [stream, after] of this.#source.streams()) {
      names.push(stream);
      ids.push(after);
    }
    this.#isBlocked = true;
    this.#isWaking = false;
    let reply: unknown;
    let following: Promise<void> | undefined;
    try {
      reply = await this.#connection.run(
        (client) => {
          const options = ['COUNT', this.#count, 'BLOCK', blockMs, 'STREAMS'];
          // Sent at once and not in one write with what follows: a server that falls asleep meanwhile costs more than a second write.
          const reading = client.callBuffer('xread', ...options, ...names, ...ids);
          following = this.#source.onSent?.(this.#connection);
          this.#busyPoll.begin();
          return reading;
        },
        // A working server answers within BLOCK. Without this limit, a read could wait forever for a lost answer.
        blockMs + commandTimeoutMs,
      );
    } catch (error) {
      // A connection over which the server answers, even with an error, works.
      if (isAnswer(error)) this.#source.onRefused?.();
      else if (this.#connection.isReady && !this.#isStopped) this.#connection.reconnect();
      throw error;
    } finally {
      this.#isBlocked = false;
      this.#busyPoll.end();
    }
    const waits: Promise<void>[] = [];
    // The streams of an answer come in the order of the command.
    let at = 0;
    for (const [stream, entries] of streamsOf(reply)) {
      if (this.#isStopped) return;
      at = names.indexOf(stream, at);
      const wait =
        stream === this.#wakeStream
          ? this.#onWakeUps(entries)
          : this.#source.onEntries(stream, entries, ids[at]!);
      if (wait !== undefined) waits.push(wait);
    }
    if (following !== undefined) waits.push(following);
    // With `Promise.all`: a promise that rejects while another is awaited would be an unhandled rejection.
    if (waits.length > 0) await Promise.all(waits);
  }

  async #onWakeUps(entries: readonly StreamEntry[]): Promise<void> {
    if (this.#passOn(entries) === 0) return;
    // If wake-ups come all the time, a reader that takes one with each read would fall further and further behind.
    const reply = await this.#context.run((client) =>
      client.callBuffer('xread', 'COUNT', maxWakeUps, 'STREAMS', this.#wakeStream, this.#wakeStreamAt),
    );
    for (const [, rest] of streamsOf(reply)) this.#passOn(rest);
  }

  /** Passes on each topic and group once. Returns how many. */
  #passOn(entries: readonly StreamEntry[]): number {
    const seen = new Set<string>();
    for (const { id, fields } of entries) {
      this.#wakeStreamAt = id;
      if (fields.length !== 4) continue;
      const [, topic = '', , group = ''] = fields.map(String);
      if (seen.has(`${topic} ${group}`)) continue;
      seen.add(`${topic} ${group}`);
      this.#source.onWakeUp?.(topic, group);
    }
    return seen.size;
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#pause = undefined;
        resolve();
      };
      const timer = setTimeout(end, pauseMs);
      this.#pause = { timer, end };
    });
  }
}

/** Resolves when data that has arrived over other connections by now has been read. */
function nextPoll(): Promise<void> {
  // The first runs before the event loop polls again, the second after that (libuv's documentation, "The I/O loop").
  return new Promise((resolve) => void setImmediate(() => setImmediate(resolve)));
}

/** A unique id for an engine's wake-up stream and consumers. It contains no dot, because the number of a consumer follows after a dot. */
export function newEngineId(): string {
  return randomUUID();
}
