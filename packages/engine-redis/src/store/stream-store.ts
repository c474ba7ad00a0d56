import type { Logger } from '@polybus/core';
import type { TransportContext } from '@polybus/core/engine';
import type { Redis } from 'ioredis';
import type { Connection } from '../client/connection.ts';
import type { RedisOptions } from '../options/options.ts';
import type { StreamContext } from './stream-context.ts';
import { type StreamEntry, entriesOf } from './stream-entry.ts';
import { firstId } from './stream-ids.ts';
import type { StreamKeys } from './stream-keys.ts';
import { moveDue } from './delay-scripts.ts';
import { createGroup, snapshot } from './topic-scripts.ts';
import { trim } from './trim-script.ts';

/** The topics that match a pattern. */
export interface Snapshot {
  /** The last topic announced before the snapshot: topics announced later are not in it. */
  readonly news: string;
  /** Each with the id after which the group begins if it does not exist; without a group, with the id of the last event. */
  readonly topics: readonly (readonly [topic: string, after: string])[];
}

/** The result of moving delayed events to their streams. */
export interface MovedEvents {
  /** When the next delayed event is due, in milliseconds from now; 0 if one is due already, and infinite if there is none. */
  readonly dueInMs: number;
  /** How many events are still delayed. */
  readonly waiting: number;
  /** The topic of each event that was moved. */
  readonly topics: readonly string[];
  /** The topics of events that the server did not add to their streams. */
  readonly refused: readonly string[];
  /** Why, for the last of them. */
  readonly reason: string;
}

/** How many delayed events one script moves at most, so that it does not block the server for long. */
const moveLimit = 100;
/** When an event is moved again whose stream the server refused to write, in milliseconds. */
const refusedRetryMs = 1000;

/** The commands of mode `streams` that concern topics and their streams. For those of a consumer, see `group/consumer-commands.ts`. */
export class StreamStore implements StreamContext {
  readonly keys: StreamKeys;
  readonly options: RedisOptions;
  readonly logger: Logger;
  readonly connection: Connection;
  readonly missed: TransportContext['missed'];

  constructor(
    connection: Connection,
    keys: StreamKeys,
    options: RedisOptions,
    { logger, missed }: Pick<TransportContext, 'logger' | 'missed'>,
  ) {
    this.connection = connection;
    this.keys = keys;
    this.options = options;
    this.logger = logger;
    this.missed = missed;
  }

  readonly run = <T>(command: (client: Redis) => Promise<T>): Promise<T> =>
    this.connection.run(command, this.options.commandTimeoutMs);

  async lastId(topic: string): Promise<string> {
    const reply = await this.run((client) => client.xrevrange(this.keys.stream(topic), '+', '-', 'COUNT', 1));
    return reply[0]?.[0] ?? firstId;
  }

  range(topic: string, after: string, count: number): Promise<StreamEntry[]> {
    return this.#range(this.keys.stream(topic), after, count);
  }

  /** The announcements of topics after an id. */
  newsAfter(after: string, count: number): Promise<StreamEntry[]> {
    return this.#range(this.keys.news, after, count);
  }

  async #range(stream: string, after: string, count: number): Promise<StreamEntry[]> {
    const reply = await this.run((client) =>
      client.callBuffer('xrange', stream, `(${after}`, '+', 'COUNT', count),
    );
    return entriesOf(reply);
  }

  /**
   * Returns the topics of a pattern, and creates the group in each of them.
   *
   * @param group - Empty for a subscription without a group.
   * @param consumer - The consumer that joins the group in each of the topics.
   */
  async snapshot(pattern: string, group: string, start: string, consumer = ''): Promise<Snapshot> {
    const { keys, options } = this;
    const args = [keys.stream(''), pattern.slice(0, -1), group, start, consumer, options.claimIdleMs];
    const reply = await this.run((client) =>
      snapshot.run(client, [keys.topics, keys.news, keys.patterns], args),
    );
    const [news, found] = reply as [Buffer, Buffer[]];
    const topics: [string, string][] = [];
    for (let i = 0; i + 1 < found.length; i += 2)
      topics.push([found[i]!.toString(), found[i + 1]!.toString()]);
    return { news: news.toString(), topics };
  }

  /** Records that the group has the pattern. Returns false if that is recorded already. */
  async registerPattern(pattern: string, group: string, start: string): Promise<boolean> {
    const field = `${group} ${pattern.slice(0, -1)}`;
    const first = start === '$' ? firstId : start;
    return (await this.run((client) => client.hsetnx(this.keys.patterns, field, first))) === 1;
  }

  /** Creates the group if it does not exist, and its consumer. */
  async createGroup(topic: string, group: string, start: string, consumer = ''): Promise<void> {
    const { keys, options } = this;
    const names = [keys.stream(topic), keys.topics, keys.news, keys.patterns];
    const args = [topic, group, start, consumer, options.claimIdleMs];
    await this.run((client) => createGroup.run(client, names, args));
  }

  /** Returns whether there is more to trim, and whether unsettled entries kept older ones from being trimmed. */
  async trim(topic: string): Promise<{ readonly hasMore: boolean; readonly isHeld: boolean }> {
    const { keys, options } = this;
    const args = [options.retentionMs, options.maxLen ?? 0, topic];
    const reply = await this.run((client) => trim.run(client, [keys.stream(topic), keys.trimmed], args));
    const [hasMore, isHeld] = reply as [number, number];
    return { hasMore: hasMore === 1, isHeld: isHeld === 1 };
  }

  /** Moves events that are due from the delayed events to their streams, and returns how the next call continues. */
  async moveDue(): Promise<MovedEvents> {
    const { delayed, topics, news, patterns } = this.keys;
    const args = [this.keys.stream(''), moveLimit, refusedRetryMs];
    const reply = await this.run((client) => moveDue.run(client, [delayed, topics, news, patterns], args));
    const [dueInMs, waiting, moved, refused, reason] = reply as [number, number, Buffer[], Buffer[], Buffer];
    return {
      dueInMs: dueInMs < 0 ? Number.POSITIVE_INFINITY : dueInMs,
      waiting,
      topics: moved.map(String),
      refused: refused.map(String),
      reason: reason.toString(),
    };
  }

  /** The last id that was trimmed. */
  async trimmedTo(topic: string): Promise<string> {
    return (await this.run((client) => client.hget(this.keys.trimmed, topic))) ?? firstId;
  }
}
