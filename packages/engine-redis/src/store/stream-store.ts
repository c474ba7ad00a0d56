import type { ConsumerLag, Logger } from '@polybus/core';
import type { TransportContext } from '@polybus/core/engine';
import type { Redis } from 'ioredis';
import { countOf } from '../group/attempt-count.ts';
import type { Connection } from '../client/connection.ts';
import { groupLag, lagOf } from '../group/lag.ts';
import { beat, ownEntries, recordAttempts } from '../group/consumer-scripts.ts';
import { acknowledgeKeyed, giveBack, leaveGroup, readGroup, sweepGroup } from '../group/scripts.ts';
import { isError } from '../errors.ts';
import type { RedisOptions } from '../options/options.ts';
import { createGroup, snapshot } from '../publish/scripts.ts';
import { firstId } from './stream-ids.ts';
import type { StreamKeys } from './stream-keys.ts';
import { type StreamEntry, entriesOf, keyArgument } from './stream-entry.ts';
import { trim } from './trim-script.ts';

/** What a read for a consumer brought. */
export interface GroupRead {
  readonly entries: readonly StreamEntry[];
  /** The stream's last id where nothing is left to read; undefined where there may be more. */
  readonly end: string | undefined;
  /** There is more, but not before something of the consumer's is settled. */
  readonly isHeld: boolean;
  /** The highest id that the consumer has had by now, to be named in its next read. */
  readonly cursor: string;
  /** Whether it brought what others had passed on or left behind, too. */
  readonly hasLooked: boolean;
}

/** A read for a consumer. */
export interface GroupReadRequest {
  readonly topic: string;
  readonly group: string;
  readonly consumer: string;
  /** How many entries at most. */
  readonly count: number;
  /** How many at most of those that were read before, by a consumer that left them behind. */
  readonly again: number;
  /** The keys of what the consumer has not settled; what was read before and has one of them waits. */
  readonly inHand: Iterable<string>;
  /** The highest id that the consumer has had. */
  readonly cursor: string;
  /** Whether what is new comes first, and the rest with another read. */
  readonly newFirst: boolean;
}

/** An entry that is given back. */
export interface GivenBack {
  readonly id: string;
  /** How often it was delivered before this time. */
  readonly deliveries: number;
  readonly key: string;
}

/** What the server answers to a heartbeat. */
export interface Beat {
  /** The lease had ended, and others may have what the consumer had. */
  readonly wasExpelled: boolean;
  /** How many entries are pending for the consumer. */
  readonly pending: number;
}

/** What a consumer does not know of what it has. */
export interface Own {
  /** What was handed to it in an answer that was lost, in order. */
  readonly unknown: readonly StreamEntry[];
  /** The ids of what it has no longer. */
  readonly gone: readonly string[];
}

/** Topics that match a pattern. */
export interface Snapshot {
  /** Topics announced after this are not in it. */
  readonly news: string;
  readonly topics: readonly (readonly [topic: string, last: string])[];
}

/** The commands of mode `streams` that do not block, over a connection of their own. */
export class StreamStore {
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

  run<T>(command: (client: Redis) => Promise<T>): Promise<T> {
    return this.connection.run(command, this.options.commandTimeoutMs);
  }

  async lastId(topic: string): Promise<string> {
    const reply = await this.run((client) => client.xrevrange(this.keys.stream(topic), '+', '-', 'COUNT', 1));
    return reply[0]?.[0] ?? firstId;
  }

  async range(topic: string, after: string, count: number): Promise<StreamEntry[]> {
    const stream = this.keys.stream(topic);
    const reply = await this.run((client) =>
      client.callBuffer('xrange', stream, `(${after}`, '+', 'COUNT', count),
    );
    return entriesOf(reply);
  }

  /** @param consumer - The one that joins the group in each of the topics. */
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

  /** Remembers that the group has had the pattern; false where that is known. */
  async register(pattern: string, group: string, start: string): Promise<boolean> {
    const field = `${group} ${pattern.slice(0, -1)}`;
    const first = start === '$' ? firstId : start;
    return (await this.run((client) => client.hsetnx(this.keys.patterns, field, first))) === 1;
  }

  /** Creates the group where it is not there, and its consumer. */
  async createGroup(topic: string, group: string, start: string, consumer = ''): Promise<void> {
    const { keys, options } = this;
    const names = [keys.stream(topic), keys.topics, keys.news, keys.patterns];
    const args = [topic, group, start, consumer, options.claimIdleMs];
    await this.run((client) => createGroup.run(client, names, args));
  }

  /** @param behind - The connection to read over once the blocking read on it is over, instead of now. */
  async readGroup(request: GroupReadRequest, behind?: Connection): Promise<GroupRead> {
    const { topic, group, consumer, count, again, newFirst, inHand, cursor } = request;
    const keys = this.#keysOf(topic, group);
    const args = [
      group,
      consumer,
      count,
      cursor,
      topic,
      this.keys.bells,
      again,
      newFirst ? 1 : 0,
      ...[...inHand].map(keyArgument),
    ];
    const { blockMs, commandTimeoutMs } = this.options;
    const reply =
      behind === undefined
        ? await this.run((client) => readGroup.run(client, keys, args))
        : await behind.run((client) => readGroup.runKnown(client, keys, args), blockMs + commandTimeoutMs);
    const [entries, state, had, onlyNew] = reply as [unknown, Buffer, Buffer, number?];
    const end = state.toString('latin1');
    return {
      entries: entriesOf(entries, 1),
      end: end === 'more' || end === 'held' ? undefined : end,
      isHeld: end === 'held',
      cursor: had.toString('latin1'),
      hasLooked: onlyNew === undefined,
    };
  }

  /** Of what is pending for the consumer, how it differs from what the consumer knows. */
  async own(topic: string, group: string, consumer: string, known: Iterable<string>): Promise<Own> {
    const stream = this.keys.stream(topic);
    const args = [group, consumer, ...known];
    const reply = await this.run((client) => ownEntries.run(client, [stream], args));
    const [unknown, gone] = reply as [unknown, Buffer[]];
    return { unknown: entriesOf(unknown), gone: gone.map((id) => id.toString('latin1')) };
  }

  /** Remembers that attempts have begun. */
  async recordAttempts(
    topic: string,
    group: string,
    consumer: string,
    attempts: Iterable<readonly [id: string, attempt: number]>,
  ): Promise<void> {
    const args = [...attempts].flatMap(([id, attempt]) => [id, countOf(attempt)]);
    const stream = this.keys.stream(topic);
    await this.run((client) => recordAttempts.run(client, [stream], [group, consumer, ...args]));
  }

  /** Renews the consumer's lease. */
  async beat(topic: string, group: string, consumer: string): Promise<Beat> {
    const stream = this.keys.stream(topic);
    const args = [group, consumer, this.options.claimIdleMs];
    const [isNew, pending] = (await this.run((client) => beat.run(client, [stream], args))) as number[];
    return { wasExpelled: isNew === 1, pending: pending! };
  }

  acknowledge(topic: string, group: string, ids: readonly string[]): Promise<unknown> {
    return this.run((client) => client.xack(this.keys.stream(topic), group, ...ids));
  }

  async acknowledgeKeyed(
    topic: string,
    group: string,
    consumer: string,
    idsAndKeys: readonly string[],
  ): Promise<void> {
    const args = [group, consumer, ...idsAndKeys.map(keyArgument)];
    await this.run((client) => acknowledgeKeyed.run(client, this.#keysOf(topic, group), args));
  }

  async giveBack(topic: string, group: string, consumer: string, all: readonly GivenBack[]): Promise<void> {
    const args = all.flatMap(({ id, deliveries, key }) => [id, deliveries, keyArgument(key)]);
    const about = [group, consumer, topic, this.keys.bells];
    await this.run((client) => giveBack.run(client, this.#keysOf(topic, group), [...about, ...args]));
  }

  async leave(topic: string, group: string, consumer: string): Promise<void> {
    const args = [group, consumer, topic, this.keys.bells];
    await this.run((client) => leaveGroup.run(client, this.#keysOf(topic, group), args));
  }

  /** Ends the consumers that are dead; returns their names. */
  async sweep(topic: string, group: string): Promise<string[]> {
    const args = [group, this.options.claimIdleMs, topic, this.keys.bells];
    const dead = await this.run((client) => sweepGroup.run(client, this.#keysOf(topic, group), args));
    return ((dead ?? []) as Buffer[]).map(String);
  }

  /** How many events each of the groups has yet to acknowledge. */
  async lag(topic: string, groups: Iterable<string>): Promise<ConsumerLag[]> {
    const stream = this.keys.stream(topic);
    return lagOf(topic, await this.run((client) => groupLag.run(client, [stream], [...groups])));
  }

  /** Returns whether there is more to trim, and whether unsettled entries kept others from going. */
  async trim(topic: string): Promise<{ readonly hasMore: boolean; readonly isHeld: boolean }> {
    const { keys, options } = this;
    const args = [options.retentionMs, options.maxLen ?? 0, topic];
    const reply = await this.run((client) => trim.run(client, [keys.stream(topic), keys.trimmed], args));
    const [hasMore, isHeld] = reply as [number, number];
    return { hasMore: hasMore === 1, isHeld: isHeld === 1 };
  }

  /** The last id that was trimmed. */
  async trimmedTo(topic: string): Promise<string> {
    return (await this.run((client) => client.hget(this.keys.trimmed, topic))) ?? firstId;
  }

  #keysOf(topic: string, group: string): string[] {
    return [this.keys.stream(topic), this.keys.owners(topic, group)];
  }
}

/** True where the group, or its stream, is not there. */
export function isGone(error: unknown): boolean {
  return isError(error, 'NOGROUP') || isError(error, 'no such key');
}
