import { randomUUID } from 'node:crypto';
import type { ReadProgress } from '@polybus/core/engine';
import type { BusyPoll } from './busy-poll.ts';
import type { Connection } from '../client/connection.ts';
import { isAnswer, messageOf } from '../errors.ts';
import { firstId } from '../store/stream-ids.ts';
import { type StreamEntry, streamsOf } from '../store/stream-entry.ts';
import type { StreamStore } from '../store/stream-store.ts';

/** What is read, and who gets it. */
export interface BlockingSource {
  /** The streams to read now, each with the id after which. */
  streams(): Iterable<readonly [stream: string, after: string]>;
  /**
   * A blocking read is being sent: what is sent over the connection now is carried out when that one is over.
   * The next one begins when what this returns has resolved.
   */
  onSent?(connection: Connection): Promise<void> | undefined;
  /** New entries of a stream, as they come after an id. The next read begins when what this returns has resolved. */
  onEntries(stream: string, entries: readonly StreamEntry[], after: string): Promise<void> | undefined | void;
  /** Somebody rings: there may be something for this group of this topic. */
  onBell?(topic: string, group: string): void;
  /** The connection was lost, and works again. */
  onRestored?(): void;
  /** The server has refused a read, perhaps because of one stream among many. */
  onRefused?(): void;
}

/** How a reader reads. */
export interface BlockingReaderOptions {
  /** Of the engine. The reader's bell is named after it. */
  readonly id: string;
  /** How many entries of each stream one read brings at most. */
  readonly count: number;
  readonly busyPoll: BusyPoll;
}

/** How long after a failed read the next one comes, in milliseconds. */
const pauseMs = 100;
/** How many bells there are at most, about. */
const maxBells = 1000;
/** How long a bell outlives its engine, in seconds. */
const bellSeconds = 3600;

/** Reads streams with XREAD BLOCK, over a connection of its own; a bell of its own makes it look again what to read. */
export class BlockingReader {
  readonly #connection: Connection;
  readonly #store: StreamStore;
  readonly #source: BlockingSource;
  readonly #count: number;
  readonly #busyPoll: BusyPoll;
  readonly #bell: string;
  #bellAt: string = firstId;
  #isStopped = false;
  #isBlocked = false;
  #isRinging = false;
  #pause: { readonly timer: NodeJS.Timeout; readonly end: () => void } | undefined;
  #reading: Promise<void> | undefined;
  /** How many reads have succeeded, with all that they led to. */
  #rounds = 0;
  /** Why the last one has not. */
  #failure: string | undefined;

  constructor(
    connection: Connection,
    store: StreamStore,
    source: BlockingSource,
    { id, count, busyPoll }: BlockingReaderOptions,
  ) {
    this.#connection = connection;
    this.#store = store;
    this.#source = source;
    this.#count = count;
    this.#busyPoll = busyPoll;
    this.#bell = store.keys.bells + id;
    connection.listen({ onRestored: () => this.#source.onRestored?.() });
  }

  start(): void {
    this.#reading ??= this.#read();
  }

  /** Makes a read that waits begin again, because what is to be read has changed. */
  interrupt(): void {
    if (!this.#isBlocked || this.#isRinging || this.#isStopped) return;
    this.#isRinging = true;
    this.#ring().catch((error: unknown) => {
      // The read ends by itself when its time is over, and then looks again.
      this.#isRinging = false;
      this.#store.logger.debug?.('a reader could not be woken', { error: messageOf(error) });
    });
  }

  async #ring(): Promise<void> {
    const answers = await this.#store.run((client) =>
      client
        .pipeline()
        .xadd(this.#bell, 'MAXLEN', '~', maxBells, '*', 'wake', '1')
        .expire(this.#bell, bellSeconds)
        .exec(),
    );
    // A pipeline whose commands are refused, as by a server that is full, does not reject.
    for (const [error] of answers ?? []) if (error) throw error;
  }

  /** @param source - What it is called. */
  progress(source: string): ReadProgress {
    return { source, position: this.#rounds, behind: this.#failure };
  }

  /** Ends reading; the connection is closed with it. */
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
        // Behind what handlers publish, and what is published because an acceptance has come by now: a server that this
        // has woken takes the read along.
        await nextPoll();
      } catch (error) {
        if (this.#isStopped) return;
        this.#failure = `its reads fail: ${messageOf(error)}`;
        this.#store.logger.debug?.('a read failed and is tried again', { error: messageOf(error) });
        await this.#wait();
      }
    }
  }

  async #readOnce(): Promise<void> {
    const { blockMs, commandTimeoutMs } = this.#store.options;
    const names = [this.#bell];
    const ids = [this.#bellAt];
    for (const [stream, after] of this.#source.streams()) {
      names.push(stream);
      ids.push(after);
    }
    this.#isBlocked = true;
    this.#isRinging = false;
    let reply: unknown;
    let following: Promise<void> | undefined;
    try {
      reply = await this.#connection.run(
        (client) => {
          const options = ['COUNT', this.#count, 'BLOCK', blockMs, 'STREAMS'];
          // Not held back for what follows, to go in one write: a server that sleeps meanwhile costs more than a second write.
          const reading = client.callBuffer('xread', ...options, ...names, ...ids);
          following = this.#source.onSent?.(this.#connection);
          this.#busyPoll.begin();
          return reading;
        },
        // A server that is alive answers within BLOCK; without this bound a read may wait for ever for a lost answer.
        blockMs + commandTimeoutMs,
      );
    } catch (error) {
      // One that answers, with whatever error, has nothing wrong with it.
      if (isAnswer(error)) this.#source.onRefused?.();
      else if (this.#connection.isReady && !this.#isStopped) this.#connection.reconnect();
      throw error;
    } finally {
      this.#isBlocked = false;
      this.#busyPoll.end();
    }
    const waits: Promise<void>[] = [];
    // The streams of an answer come in the order in which they were asked for.
    let at = 0;
    for (const [stream, entries] of streamsOf(reply)) {
      if (this.#isStopped) return;
      at = names.indexOf(stream, at);
      const wait =
        stream === this.#bell ? this.#onBell(entries) : this.#source.onEntries(stream, entries, ids[at]!);
      if (wait !== undefined) waits.push(wait);
    }
    if (following !== undefined) waits.push(following);
    // At once: one that rejects while another is waited for would be nobody's.
    if (waits.length > 0) await Promise.all(waits);
  }

  async #onBell(entries: readonly StreamEntry[]): Promise<void> {
    if (this.#answer(entries) === 0) return;
    // Where bells ring all the time, one in each read would fall ever further behind.
    const reply = await this.#store.run((client) =>
      client.callBuffer('xread', 'COUNT', maxBells, 'STREAMS', this.#bell, this.#bellAt),
    );
    for (const [, rest] of streamsOf(reply)) this.#answer(rest);
  }

  /** Tells of each group of each topic once, whatever rings for it. Returns of how many. */
  #answer(entries: readonly StreamEntry[]): number {
    const told = new Set<string>();
    for (const { id, fields } of entries) {
      this.#bellAt = id;
      if (fields.length !== 4) continue;
      const [, topic = '', , group = ''] = fields.map(String);
      if (told.has(`${topic} ${group}`)) continue;
      told.add(`${topic} ${group}`);
      this.#source.onBell?.(topic, group);
    }
    return told.size;
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

/** Resolves when what has come by now over other connections has been seen, too. */
function nextPoll(): Promise<void> {
  // The first comes before the event loop polls again, the second after that (libuv's documentation, "The I/O loop").
  return new Promise((resolve) => void setImmediate(() => setImmediate(resolve)));
}

/** An id for an engine's bell and consumers, unlike any other's. It has no dot: what follows one tells consumers apart. */
export function newEngineId(): string {
  return randomUUID();
}
