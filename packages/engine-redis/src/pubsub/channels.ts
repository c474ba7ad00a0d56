import { type Receiver, type TransportContext, isPattern } from '@polybus/core/engine';
import type { Connection } from '../client/connection.ts';
import { isAnswer, messageOf } from '../errors.ts';

/** A channel, or a pattern of channels, that the engine is subscribed to, and its receivers. */
interface Channel {
  readonly name: string;
  readonly pattern: string;
  readonly receivers: Set<Receiver>;
  /** The receivers as an array, for the loop that delivers messages. Replaced when they change. */
  list: readonly Receiver[];
  /** Resolves when the server has confirmed the subscription. */
  ready: Promise<unknown>;
  /** The server has confirmed the subscription: from then on, a lost connection means missed events. */
  isConfirmed: boolean;
  /** Since when events may have been missed, by `performance.now()`; undefined while the channel is subscribed to. */
  lostAt: number | undefined;
  /** Why the server refuses to subscribe to the channel again. */
  refusal: string | undefined;
}

/** A time in which the engine did not receive messages. Without `until`, it lasts. */
export interface Gap {
  readonly since: string;
  readonly until?: string;
}

/** Options of the channels. */
export interface ChannelsOptions {
  readonly context: TransportContext;
  /** The prefix of topics in the names of channels. */
  readonly prefix: string;
  /** How long the server may take to confirm, in milliseconds. */
  readonly timeoutMs: number;
}

const done: Promise<unknown> = Promise.resolve();

const gapReason =
  'the connection was lost, and Redis Pub/Sub keeps no events for a subscriber without a connection';

/** These characters have a meaning in patterns of Redis. Topics do not contain them. */
const special = /[\\*?[\]]/g;

/**
 * The channels on one connection. The local subscriptions of a topic or pattern share a channel, which ends with the last of them.
 * After a reconnect, the engine subscribes to all channels again and reports the gap.
 */
export class Channels {
  readonly #connection: Connection;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  readonly #context: TransportContext;
  readonly #exact = new Map<string, Channel>();
  readonly #patterns = new Map<string, Channel>();
  /** When the connection was last known to work, by `performance.now()`: events may have been missed since then. */
  #lostAt: number | undefined;
  #gap: Gap | undefined;
  #gaps = 0;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(connection: Connection, options: ChannelsOptions) {
    this.#connection = connection;
    this.#prefix = options.prefix;
    this.#timeoutMs = options.timeoutMs;
    this.#context = options.context;
    connection.listen({
      onLost: () => (this.#lostAt ??= connection.aliveAt),
      onRestored: () => void this.#resubscribe(),
    });
  }

  /** The gaps for `health()`: events that were published in a gap were missed. */
  get gaps(): { readonly gaps: number; readonly lastGap?: Gap } {
    const gap = this.#lostAt === undefined ? this.#gap : { since: timeOf(this.#lostAt).toISOString() };
    return gap === undefined ? { gaps: this.#gaps } : { gaps: this.#gaps, lastGap: gap };
  }

  /** False while the engine is not subscribed to all its channels. */
  get isComplete(): boolean {
    return this.#lostAt === undefined;
  }

  exact(channel: string): readonly Receiver[] {
    return this.#exact.get(channel)?.list ?? [];
  }

  pattern(name: string): { readonly pattern: string; readonly list: readonly Receiver[] } | undefined {
    return this.#patterns.get(name);
  }

  /** Resolves when the server has confirmed the subscription. */
  async add(pattern: string, receiver: Receiver): Promise<void> {
    const channel = this.#channelOf(pattern);
    channel.receivers.add(receiver);
    channel.list = [...channel.receivers];
    try {
      // The channel may have been confirmed over a connection that is lost now.
      const isSubscribed = this.#lostAt === undefined && channel.refusal === undefined;
      await (isSubscribed ? channel.ready : this.#subscribe(channel));
    } catch (error) {
      this.remove(pattern, receiver);
      throw error;
    }
  }

  /** Ends the channel after its last receiver. Messages that the server sends meanwhile are ignored. */
  remove(pattern: string, receiver: Receiver): void {
    const { index, name } = this.#keyOf(pattern);
    const channel = index.get(name);
    if (channel === undefined || !channel.receivers.delete(receiver)) return;
    channel.list = [...channel.receivers];
    if (channel.list.length > 0) return;
    index.delete(name);
    // While the connection is lost there is nothing to end: the engine does not subscribe to the channel again.
    if (!this.#connection.isReady) return;
    const { client } = this.#connection;
    const ending = index === this.#patterns ? client.punsubscribe(name) : client.unsubscribe(name);
    ending.catch((error: unknown) => {
      this.#context.logger.debug?.('the engine could not unsubscribe from a channel', {
        channel: name,
        error: messageOf(error),
      });
    });
  }

  #keyOf(pattern: string): { index: Map<string, Channel>; name: string } {
    if (!isPattern(pattern)) return { index: this.#exact, name: this.#prefix + pattern };
    const prefix = this.#prefix.replace(special, '\\$&');
    return { index: this.#patterns, name: prefix + pattern };
  }

  #channelOf(pattern: string): Channel {
    const { index, name } = this.#keyOf(pattern);
    let channel = index.get(name);
    if (channel === undefined) {
      const ready = this.#subscribe({ name, pattern });
      const made: Channel = {
        name,
        pattern,
        receivers: new Set(),
        list: [],
        ready,
        isConfirmed: false,
        lostAt: undefined,
        refusal: undefined,
      };
      ready.then(
        () => (made.isConfirmed = true),
        () => {},
      );
      channel = made;
      index.set(name, channel);
    }
    return channel;
  }

  #subscribe({ name, pattern }: Pick<Channel, 'name' | 'pattern'>): Promise<unknown> {
    return this.#connection.run(
      (client) => (isPattern(pattern) ? client.psubscribe(name) : client.subscribe(name)),
      this.#timeoutMs,
    );
  }

  async #resubscribe(): Promise<void> {
    const lostAt = this.#lostAt ?? this.#connection.aliveAt;
    const channels = this.#all;
    for (const channel of channels) channel.lostAt ??= lostAt;
    try {
      await this.#subscribeAgain(channels);
    } catch (error) {
      // The connection was probably lost again, and the engine tries again when it is restored. Otherwise, replaces the connection.
      this.#context.logger.warn('the engine could not subscribe to its channels again', {
        error: messageOf(error),
      });
      if (this.#connection.isReady) this.#connection.reconnect();
      return;
    }
    this.#lostAt = undefined;
    this.#gap = { since: timeOf(lostAt).toISOString(), until: timeOf(performance.now()).toISOString() };
    this.#gaps++;
    this.#warnOfRefused();
  }

  /** Subscribes to each channel with a command of its own: if the server refuses a channel, it refuses the whole command. */
  async #subscribeAgain(channels: readonly Channel[]): Promise<void> {
    await Promise.all(
      channels.map(async (channel) => {
        try {
          await this.#subscribe(channel);
          channel.refusal = undefined;
        } catch (error) {
          if (!isAnswer(error)) throw error;
          channel.refusal = messageOf(error);
        }
      }),
    );
    const until = timeOf(performance.now());
    for (const channel of channels) {
      const { pattern: topic, isConfirmed, lostAt, refusal, receivers } = channel;
      if (refusal !== undefined) continue;
      // The first command may have failed in the outage, while later subscriptions waited for commands of their own.
      channel.ready = done;
      channel.isConfirmed = true;
      if (lostAt === undefined) continue;
      const since = timeOf(lostAt);
      channel.lostAt = undefined;
      if (isConfirmed && receivers.size > 0) this.#context.missed({ topic, since, until, reason: gapReason });
    }
    clearTimeout(this.#retryTimer);
    if (this.#refused.length > 0) this.#retryTimer = setTimeout(this.#retry, this.#timeoutMs).unref();
  }

  /** The server may allow the channels again. */
  readonly #retry = (): void => {
    // If the connection is lost, the engine subscribes to all channels when it is restored.
    this.#subscribeAgain(this.#refused).catch(() => {});
  };

  #warnOfRefused(): void {
    const refused = this.#refused;
    if (refused.length === 0) return;
    this.#context.logger.warn('the server refuses channels; the engine continues with the others', {
      topics: refused.map(({ pattern }) => pattern),
      error: refused[0]?.refusal,
    });
  }

  get #all(): Channel[] {
    return [...this.#exact.values(), ...this.#patterns.values()];
  }

  get #refused(): Channel[] {
    return this.#all.filter(({ refusal }) => refusal !== undefined);
  }

  /** Why the engine does not receive the messages of some channels, although the connection works. */
  get problem(): string | undefined {
    const [first, ...others] = this.#refused;
    if (first === undefined) return undefined;
    const more = others.length === 0 ? '' : ` and ${others.length} more`;
    return `the server refuses the channel of "${first.pattern}"${more}: ${first.refusal}`;
  }

  close(): void {
    clearTimeout(this.#retryTimer);
  }
}

/** The time of day of a moment by `performance.now()`, by the clock as it is set now: both ends of a gap are by the same clock. */
function timeOf(moment: number): Date {
  return new Date(Date.now() - (performance.now() - moment));
}
