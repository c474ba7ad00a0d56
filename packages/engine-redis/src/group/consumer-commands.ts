import type { Connection } from '../client/connection.ts';
import type { StreamContext } from '../store/stream-context.ts';
import { type StreamEntry, entriesOf, keyArgument } from '../store/stream-entry.ts';
import { countOf } from './attempt-count.ts';
import {
  acknowledgeKeyed,
  comparePending,
  giveBack,
  leaveGroup,
  recordAttempts,
  renewLease,
} from './scripts/consumer-scripts.ts';
import { readGroup } from './scripts/read-script.ts';

/** A read for a consumer. */
export interface GroupReadRequest {
  /** The maximum number of entries. */
  readonly count: number;
  /** The maximum number of entries that another consumer left behind after reading them. */
  readonly again: number;
  /** The keys of the consumer's unsettled entries. Entries of these keys that were read before have to wait. */
  readonly inHand: Iterable<string>;
  /** The highest id that the consumer has read. */
  readonly cursor: string;
  /** Whether new entries come first, and other entries with another read. */
  readonly newFirst: boolean;
}

/** The result of a read for a consumer. */
export interface GroupRead {
  readonly entries: readonly StreamEntry[];
  /** The stream's last id if nothing is left to read; undefined if there may be more. */
  readonly end: string | undefined;
  /** There is more to read, but only after the consumer has settled some entries. */
  readonly isHeld: boolean;
  /** The highest id that the consumer has read, for its next read. */
  readonly cursor: string;
  /** Whether the read also looked for entries that others had passed on or left behind. */
  readonly hasLooked: boolean;
}

/** An entry that is given back. */
export interface GivenBack {
  readonly id: string;
  /** How often it was delivered before this time. */
  readonly deliveries: number;
  readonly key: string;
}

/** The server's answer to a heartbeat. */
export interface Renewal {
  /** The lease had ended, and others may have taken over the consumer's entries. */
  readonly wasExpired: boolean;
  /** How many entries are pending for the consumer. */
  readonly pending: number;
}

/** The difference between the consumer's pending entries and the entries that it knows. */
export interface PendingDifference {
  /** Entries that were delivered to it in an answer that was lost, in order. */
  readonly missing: readonly StreamEntry[];
  /** The ids of entries that it no longer has. */
  readonly gone: readonly string[];
}

/** The commands of one consumer of a group, for one topic. */
export class ConsumerCommands {
  readonly #context: StreamContext;
  readonly #topic: string;
  readonly #group: string;
  readonly #consumer: string;
  readonly #stream: string;
  readonly #keys: readonly string[];

  constructor(context: StreamContext, topic: string, group: string, consumer: string) {
    const { keys } = context;
    this.#context = context;
    this.#topic = topic;
    this.#group = group;
    this.#consumer = consumer;
    this.#stream = keys.stream(topic);
    this.#keys = [this.#stream, keys.owners(topic, group)];
  }

  /** @param behind - The connection to read over as soon as the blocking read on it has returned. By default, reads at once. */
  async read(request: GroupReadRequest, behind?: Connection): Promise<GroupRead> {
    const { count, again, newFirst, inHand, cursor } = request;
    const { keys, options, run } = this.#context;
    const args = [
      this.#group,
      this.#consumer,
      count,
      cursor,
      this.#topic,
      keys.wakePrefix,
      again,
      newFirst ? 1 : 0,
      ...[...inHand].map(keyArgument),
    ];
    const reply =
      behind === undefined
        ? await run((client) => readGroup.run(client, this.#keys, args))
        : await behind.run(
            (client) => readGroup.runKnown(client, this.#keys, args),
            options.blockMs + options.commandTimeoutMs,
          );
    const [entries, state, highest, onlyNew] = reply as [unknown, Buffer, Buffer, number?];
    const end = state.toString('latin1');
    return {
      entries: entriesOf(entries, 1),
      end: end === 'more' || end === 'held' ? undefined : end,
      isHeld: end === 'held',
      cursor: highest.toString('latin1'),
      hasLooked: onlyNew === undefined,
    };
  }

  /** @param known - The ids of the entries that are pending for the consumer, as far as it knows. */
  async comparePending(known: Iterable<string>): Promise<PendingDifference> {
    const args = [this.#group, this.#consumer, ...known];
    const reply = await this.#context.run((client) => comparePending.run(client, [this.#stream], args));
    const [missing, gone] = reply as [unknown, Buffer[]];
    return { missing: entriesOf(missing), gone: gone.map((id) => id.toString('latin1')) };
  }

  /** Records that attempts have begun. */
  async recordAttempts(attempts: Iterable<readonly [id: string, attempt: number]>): Promise<void> {
    const counts = [...attempts].flatMap(([id, attempt]) => [id, countOf(attempt)]);
    const args = [this.#group, this.#consumer, ...counts];
    await this.#context.run((client) => recordAttempts.run(client, [this.#stream], args));
  }

  async renewLease(): Promise<Renewal> {
    const { options, run } = this.#context;
    const args = [this.#group, this.#consumer, options.claimIdleMs];
    const reply = await run((client) => renewLease.run(client, [this.#stream], args));
    const [isNew, pending] = reply as [number, number];
    return { wasExpired: isNew === 1, pending };
  }

  acknowledge(ids: readonly string[]): Promise<unknown> {
    return this.#context.run((client) => client.xack(this.#stream, this.#group, ...ids));
  }

  async acknowledgeKeyed(idsAndKeys: readonly string[]): Promise<void> {
    const args = [this.#group, this.#consumer, ...idsAndKeys.map(keyArgument)];
    await this.#context.run((client) => acknowledgeKeyed.run(client, this.#keys, args));
  }

  async giveBack(entries: readonly GivenBack[]): Promise<void> {
    const args = entries.flatMap(({ id, deliveries, key }) => [id, deliveries, keyArgument(key)]);
    await this.#context.run((client) => giveBack.run(client, this.#keys, [...this.#names, ...args]));
  }

  /** Removes the consumer from the group. */
  async leave(): Promise<void> {
    await this.#context.run((client) => leaveGroup.run(client, this.#keys, this.#names));
  }

  get #names(): string[] {
    return [this.#group, this.#consumer, this.#topic, this.#context.keys.wakePrefix];
  }
}
