import { type Receiver, type TransportContext, isPattern } from '@polybus/core/engine';
import type { Redis } from 'ioredis';
import type { Connection } from '../client/connection.ts';
import { messageOf } from '../errors.ts';

/** A channel, or a pattern of channels, that the server sends us, and who of us wants it. */
interface Channel {
  readonly name: string;
  readonly pattern: string;
  readonly receivers: Set<Receiver>;
  /** The receivers, for the loop that hands messages over; made anew when they change. */
  list: readonly Receiver[];
  /** Resolves when the server has confirmed. */
  ready: Promise<unknown>;
  /** The server has confirmed: from then on it counts as missed when the connection is out. */
  isConfirmed: boolean;
}

/** How long we were, or have been, without our channels. */
export interface Gap {
  readonly since: string;
  readonly until?: string;
}

/** What the channels need to know. */
export interface ChannelsOptions {
  readonly context: TransportContext;
  /** Before each topic, in the names of channels. */
  readonly prefix: string;
  /** How long the server may take to confirm, in milliseconds. */
  readonly timeoutMs: number;
}

const gapReason = 'the connection was lost, and Redis Pub/Sub keeps nothing for a subscriber that is away';

/** In a pattern of Redis these are no ordinary characters; in topics there are none of them. */
const special = /[\\*?[\]]/g;

/**
 * The channels on one connection. The local subscriptions of one topic or pattern share a channel; it ends with the last
 * of them. After a reconnect all of them are subscribed to again, and the gap is reported.
 */
export class Channels {
  readonly #connection: Connection;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  readonly #context: TransportContext;
  readonly #exact = new Map<string, Channel>();
  readonly #patterns = new Map<string, Channel>();
  /** From then on something may have been missed: the last time at which the connection was known to work. */
  #lostAt: Date | undefined;
  #gap: Gap | undefined;
  #gaps = 0;

  constructor(connection: Connection, options: ChannelsOptions) {
    this.#connection = connection;
    this.#prefix = options.prefix;
    this.#timeoutMs = options.timeoutMs;
    this.#context = options.context;
    connection.listen({
      onLost: () => (this.#lostAt ??= this.#lastAlive),
      onRestored: () => void this.#resubscribe(),
    });
  }

  get #lastAlive(): Date {
    return new Date(Date.now() - (performance.now() - this.#connection.aliveAt));
  }

  /** What `health()` says about gaps: events published meanwhile were missed. */
  get gaps(): { readonly gaps: number; readonly lastGap?: Gap } {
    const gap = this.#lostAt === undefined ? this.#gap : { since: this.#lostAt.toISOString() };
    return gap === undefined ? { gaps: this.#gaps } : { gaps: this.#gaps, lastGap: gap };
  }

  /** False while something that was subscribed to is not. */
  get isComplete(): boolean {
    return this.#lostAt === undefined;
  }

  exact(channel: string): readonly Receiver[] {
    return this.#exact.get(channel)?.list ?? [];
  }

  pattern(name: string): { readonly pattern: string; readonly list: readonly Receiver[] } | undefined {
    return this.#patterns.get(name);
  }

  /** Resolves when the server has confirmed that it sends what matches. */
  async add(pattern: string, receiver: Receiver): Promise<void> {
    const channel = this.#channelOf(pattern);
    channel.receivers.add(receiver);
    channel.list = [...channel.receivers];
    try {
      await channel.ready;
    } catch (error) {
      this.remove(pattern, receiver);
      throw error;
    }
  }

  /** Ends the channel where nobody wants it any more. What the server sends meanwhile reaches nobody. */
  remove(pattern: string, receiver: Receiver): void {
    const { index, name } = this.#place(pattern);
    const channel = index.get(name);
    if (channel === undefined || !channel.receivers.delete(receiver)) return;
    channel.list = [...channel.receivers];
    if (channel.list.length > 0) return;
    index.delete(name);
    // Where the connection is out there is nothing to end: it is not subscribed to again.
    if (!this.#connection.isReady) return;
    const { client } = this.#connection;
    const ending = index === this.#patterns ? client.punsubscribe(name) : client.unsubscribe(name);
    ending.catch((error: unknown) => {
      this.#context.logger.debug?.('a channel could not be ended', {
        channel: name,
        error: messageOf(error),
      });
    });
  }

  #place(pattern: string): { index: Map<string, Channel>; name: string } {
    if (!isPattern(pattern)) return { index: this.#exact, name: this.#prefix + pattern };
    const prefix = this.#prefix.replace(special, '\\$&');
    return { index: this.#patterns, name: prefix + pattern };
  }

  #channelOf(pattern: string): Channel {
    const { index, name } = this.#place(pattern);
    let channel = index.get(name);
    if (channel === undefined) {
      const ready = this.#connection.run(
        (client) => (index === this.#patterns ? client.psubscribe(name) : client.subscribe(name)),
        this.#timeoutMs,
      );
      const made: Channel = { name, pattern, receivers: new Set(), list: [], ready, isConfirmed: false };
      ready.then(
        () => (made.isConfirmed = true),
        () => {},
      );
      channel = made;
      index.set(name, channel);
    }
    return channel;
  }

  async #resubscribe(): Promise<void> {
    const lostAt = this.#lostAt ?? this.#lastAlive;
    const [exact, patterns] = [[...this.#exact.keys()], [...this.#patterns.keys()]];
    const run = (command: (client: Redis) => Promise<unknown>): Promise<unknown> =>
      this.#connection.run(command, this.#timeoutMs);
    try {
      await Promise.all([
        exact.length === 0 ? undefined : run((client) => client.subscribe(...exact)),
        patterns.length === 0 ? undefined : run((client) => client.psubscribe(...patterns)),
      ]);
    } catch (error) {
      // Lost again, most likely; the next time it is restored is another chance. If it is not lost, make it so.
      this.#context.logger.warn('channels could not be subscribed to again', { error: messageOf(error) });
      if (this.#connection.isReady) this.#connection.reconnect();
      return;
    }
    this.#lostAt = undefined;
    const until = new Date();
    this.#gap = { since: lostAt.toISOString(), until: until.toISOString() };
    this.#gaps++;
    for (const { pattern: topic, isConfirmed } of [...this.#exact.values(), ...this.#patterns.values()]) {
      if (isConfirmed) this.#context.missed({ topic, since: lostAt, until, reason: gapReason });
    }
  }
}
