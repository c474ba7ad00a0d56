import { EventEmitter } from 'node:events';
import type { StartPosition } from '@polybus/core';
import { matchesTopic } from '@polybus/core/engine';

/** One partition of a topic. */
export interface PartitionInfo {
  readonly id: string;
  readonly topic: string;
  readonly index: number;
}

export interface LogRecord {
  readonly topic: string;
  readonly offset: number;
  readonly time: number;
  readonly bytes: Uint8Array;
}

/** What a group has settled in one partition. */
export interface Position {
  /** Every record before this offset is settled. */
  readonly first: number;
  /** The settled offsets after `first`. */
  readonly ahead: readonly number[];
  /** The attempts of records that are not settled, by offset. */
  readonly attempts: ReadonlyMap<number, number>;
}

export interface Member {
  readonly id: string;
  readonly pattern: string;
}

/** A group member, until it leaves or its lease expires. */
interface Session extends Member {
  readonly leaseMs: number;
  aliveAt: number;
  /** False once the member gives up its partitions. */
  isStaying: boolean;
}

class Group {
  readonly patterns = new Set<string>();
  readonly sessions = new Map<string, Session>();
  /** By partition id. A partition without a position is new to the group. */
  readonly positions = new Map<string, Position>();
  /** The member that owns a partition, by partition id. */
  readonly owners = new Map<string, string>();

  isAlive(member: string): boolean {
    const session = this.sessions.get(member);
    return session !== undefined && performance.now() - session.aliveAt <= session.leaseMs;
  }
}

const partitionsPerTopic = 8;
const brokers = new Map<string, LogBroker>();

/**
 * A toy broker: append-only logs in the memory of this process, and what consumer groups need. Every method stands for a request to a
 * server: it throws while the broker is down.
 */
export class LogBroker extends EventEmitter<{ change: [] }> {
  readonly #logs = new Map<string, PartitionInfo & { readonly records: LogRecord[] }>();
  readonly #groups = new Map<string, Group>();
  #isUp = true;

  /** The broker at an address. Each call with the same address returns the same broker. */
  static at(url: string): LogBroker {
    let broker = brokers.get(url);
    if (broker === undefined) brokers.set(url, (broker = new LogBroker().setMaxListeners(0)));
    return broker;
  }

  setUp(isUp: boolean): void {
    this.#isUp = isUp;
    if (isUp) this.emit('change');
  }

  assertUp(): void {
    if (!this.#isUp) throw new Error('the broker does not answer');
  }

  /** Appends a record. Records with the same key, and those without a key, are in one partition of the topic. */
  append(topic: string, key: string | undefined, bytes: Uint8Array): void {
    this.assertUp();
    if (!this.#logs.has(partitionId(topic, 0))) this.#createTopic(topic);
    const { records } = this.#logs.get(partitionId(topic, hash(key ?? '') % partitionsPerTopic))!;
    records.push({ topic, offset: records.length, time: Date.now(), bytes });
    this.emit('change');
  }

  /** A group with a matching pattern reads a new topic from its first record. */
  #createTopic(topic: string): void {
    const groups = [...this.#groups.values()].filter(({ patterns }) =>
      [...patterns].some((pattern) => matchesTopic(pattern, topic)),
    );
    for (let index = 0; index < partitionsPerTopic; index++) {
      const id = partitionId(topic, index);
      this.#logs.set(id, { id, topic, index, records: [] });
      for (const { positions } of groups) positions.set(id, startAt(0));
    }
  }

  /** The partitions of all topics that match a pattern. */
  partitions(pattern: string): PartitionInfo[] {
    this.assertUp();
    return [...this.#logs.values()].filter(({ topic }) => matchesTopic(pattern, topic));
  }

  read(id: string, offset: number, max: number): LogRecord[] {
    this.assertUp();
    return this.#logs.get(id)!.records.slice(offset, offset + max);
  }

  /** The offset of the first record at or after a position; for `latest`, that of the next record. */
  offsetOf(id: string, from: StartPosition): number {
    this.assertUp();
    const { records } = this.#logs.get(id)!;
    if (from === 'earliest') return 0;
    const at = from === 'latest' ? -1 : records.findIndex(({ time }) => time >= from.getTime());
    return at === -1 ? records.length : at;
  }

  /** Adds a member to a group. The group starts at `from` in each partition that is new to it. */
  join(name: string, member: string, pattern: string, from: StartPosition, leaseMs: number): void {
    const partitions = this.partitions(pattern);
    let group = this.#groups.get(name);
    if (group === undefined) this.#groups.set(name, (group = new Group()));
    group.patterns.add(pattern);
    for (const { id } of partitions)
      if (!group.positions.has(id)) group.positions.set(id, startAt(this.offsetOf(id, from)));
    const session = { id: member, pattern, leaseMs, aliveAt: performance.now(), isStaying: true };
    group.sessions.set(member, session);
    this.emit('change');
  }

  /** Renews the lease of a member, and returns the ids of the partitions that it owns. */
  renew(name: string, member: string): ReadonlySet<string> {
    const { sessions, owners } = this.#group(name);
    sessions.get(member)!.aliveAt = performance.now();
    return new Set([...owners].filter(([, owner]) => owner === member).map(([id]) => id));
  }

  /** The members of a group that take part in the assignment, in an order that is the same for all of them. */
  members(name: string): Member[] {
    const group = this.#group(name);
    return [...group.sessions.values()].filter(({ id, isStaying }) => isStaying && group.isAlive(id));
  }

  /** Makes the member the owner of a partition, unless another live member owns it. */
  claim(name: string, id: string, member: string): Position | undefined {
    const group = this.#group(name);
    const owner = group.owners.get(id);
    if (owner !== undefined && owner !== member && group.isAlive(owner)) return undefined;
    group.owners.set(id, member);
    return group.positions.get(id);
  }

  /** Ignores the position of a member that does not own the partition any more. */
  commit(name: string, id: string, member: string, position: Position): void {
    const { owners, positions } = this.#group(name);
    if (owners.get(id) === member) positions.set(id, position);
  }

  release(name: string, id: string, member: string): void {
    const { owners } = this.#group(name);
    if (owners.get(id) === member) owners.delete(id);
    this.emit('change');
  }

  /** Takes the member out of the assignment. It still owns its partitions. */
  retire(name: string, member: string): void {
    const session = this.#group(name).sessions.get(member)!;
    if (!session.isStaying) return;
    session.isStaying = false;
    this.emit('change');
  }

  /** Removes the member. Others can claim the partitions that it still owns. */
  leave(name: string, member: string): void {
    this.#group(name).sessions.delete(member);
    this.emit('change');
  }

  #group(name: string): Group {
    this.assertUp();
    return this.#groups.get(name)!;
  }
}

const partitionId = (topic: string, index: number): string => `${topic}/${index}`;

const startAt = (first: number): Position => ({ first, ahead: [], attempts: new Map() });

function hash(text: string): number {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)!) >>> 0;
  return sum;
}
